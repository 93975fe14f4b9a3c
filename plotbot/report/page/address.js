// What the page shows is its address, so that a link shows the same: #q=…&sort=…&rows=…&fields=…&hide=…&case=…&view=….
// Nothing of it is ever markup or code: texts are searched for, keys looked up, and the rest is left out.

const ROWS = ["text", "wrap", "chips"];
/** @type {ViewKey[]} */
const VIEWS = ["fields", "pretty", "raw", "diff"];
const LONGEST_QUERY = 2000;

/** @type {View} */
let view = parseAddress("");

/**
 * @param {string} hash
 * @returns {View}
 */
function parseAddress(hash) {
  const parts = new Map(
    hash
      .replace(/^#/, "")
      .split("&")
      .map((part) => [part.split("=", 1)[0], part.slice(part.indexOf("=") + 1)]),
  );
  /** @param {string} key */
  const text = (key) => decoded(parts.get(key) || "");
  /** @param {string} key */
  const list = (key) => (parts.get(key) || "").split(",").filter(Boolean).map(decoded);
  return {
    q: (parts.has("show") ? shownQuery(text("show")) : text("q")).slice(0, LONGEST_QUERY),
    sort: parseOrder(text("sort")),
    rows: ROWS.includes(text("rows")) ? text("rows") : ROWS[0],
    fields: list("fields").slice(0, 20),
    facts: list("facts").filter(isFact),
    hide: list("hide")
      .map(Number)
      .filter((column) => Number.isInteger(column) && column >= 0 && column < index.columns.length),
    cases: parts.has("case") ? list("case") : null,
    view: VIEWS.find((one) => one === text("view")) ?? "",
  };
}

/**
 * `#show=bad` and `#show=failed:schema` are what the terminal names.
 * @param {string} choice
 */
function shownQuery(choice) {
  if (choice === "bad" || choice === "split") return SHORT_QUERIES[choice];
  const known = index.categories.some((one) => one.join(":") === choice);
  return known ? categoryQuery(choice) : "";
}

/** @type {Record<string, string>} */
const SHORT_QUERIES = { bad: "status:bad", split: "is:split" };

/** @param {string} choice */
function categoryQuery(choice) {
  const at = choice.indexOf(":");
  const [outcome, category] = [choice.slice(0, at), choice.slice(at + 1)];
  return withTerm(withTerm("", "category", category === outcome ? [] : [category], "="), "status", [outcome], "=");
}

/**
 * The address of the view with these changes.
 * @param {Partial<View>} changes
 */
function addressOf(changes) {
  const one = { ...view, ...changes };
  /** @param {(string | number)[]} values */
  const list = (values) => values.map((value) => encodeURIComponent(String(value))).join(",");
  const parts = [
    ["q", encodeURIComponent(wellFormed(one.q))],
    ["sort", one.sort.key === "plan" && !one.sort.descending ? "" : orderText(one.sort)],
    ["rows", one.rows === ROWS[0] ? "" : one.rows],
    ["fields", list(one.fields.map(wellFormed))],
    ["facts", list(one.facts)],
    ["hide", list(one.hide)],
    ["case", one.cases === null ? "" : list(one.cases)],
    ["view", one.cases === null ? "" : one.view],
  ];
  const told = parts.filter(([, value]) => value !== "").map(([key, value]) => `${key}=${value}`);
  return `#${told.join("&")}`;
}

/**
 * Half a surrogate pair cannot stand in an address.
 * @param {string} text
 */
function wellFormed(text) {
  return text.toWellFormed ? text.toWellFormed() : text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    return text;
  }
}

/**
 * Change the view and its address: at once, soon, or as a step to go back to.
 * @param {Partial<View>} changes
 * @param {"soon" | "now" | "step"} how
 */
function setView(changes, how = "soon") {
  const address = addressOf(changes);
  Object.assign(view, changes);
  const url = address === "#" ? location.pathname + location.search : address;
  clearTimeout(replacing);
  // Safari allows a hundred changes of the address in ten seconds, and typing is faster.
  // A link that is followed meanwhile has an address of its own, which must not be replaced.
  const before = location.href;
  if (how === "soon")
    replacing = setTimeout(() => location.href === before && history.replaceState(null, "", url), 120);
  else if (how === "now") history.replaceState(null, "", url);
  else history.pushState(null, "", url);
}

let replacing = 0;
