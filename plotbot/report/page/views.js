// A reply as it came, as indented JSON, as fields to read, or as its difference from the first one that is open.

/** @type {Record<ViewKey, string>} */
const VIEW_WORDS = { fields: "Fields", pretty: "Pretty", raw: "Raw", diff: "Diff" };
const DEEPEST = 12;

function viewChoice() {
  return el(
    "div",
    { class: "views", role: "group", "aria-label": "How the replies are shown" },
    VIEWS.map((one) =>
      el(
        "button",
        {
          type: "button",
          class: "chip",
          "data-view": one,
          "aria-pressed": String(view.view === one),
          disabled: one === "diff" && entriesOfTitle[entries.title[opened[0]]].length < 2,
          click: () => chooseView(view.view === one ? "" : one),
        },
        VIEW_WORDS[one],
      ),
    ),
  );
}

/**
 * A difference needs two answers: the one that is open, and another to the same title.
 * @param {ViewKey | ""} chosen
 */
function chooseView(chosen) {
  const group = entriesOfTitle[entries.title[opened[0]]];
  if (chosen === "diff" && opened.length < 2) {
    const column = group.filter((entry) => entries.column[entry] === entries.column[opened[0]]);
    const other = [...column, ...group].find((entry) => entry !== opened[0]);
    if (other !== undefined) openBeside([opened[0], other], { view: chosen });
  } else openBeside(opened, { view: chosen });
}

function nextView() {
  const several = entriesOfTitle[entries.title[opened[0]]].length > 1;
  const possible = several ? VIEWS : VIEWS.slice(0, -1);
  chooseView(possible[(possible.indexOf(view.view || "fields") + 1) % possible.length]);
}

/**
 * @param {number} entry
 * @param {Pieces} content
 * @param {Item} item
 */
async function replyView(entry, content, item) {
  if (!content.length) return el("p", { class: "quiet" }, "The reply is empty.");
  const text = wholeText(content);
  const isWhole = content.parts.length === 1 && [...text].length === content.length;
  const value = isWhole ? parsedReply(text) : undefined;
  if (view.view === "diff" && opened[0] !== entry) return diffView(opened[0], text, value);
  // A fault of the text, such as a code fence, can only be seen in the text.
  const chosen = view.view || (item.mark === null || item.mark === undefined ? "fields" : "raw");
  if (value !== undefined && ["fields", "diff"].includes(chosen)) return fieldsView(value, item);
  if (value !== undefined && chosen === "pretty") {
    const pretty = jsonText(value, 2);
    return raw("The reply, indented", markedNodes(pretty, placesIn(pretty, item)));
  }
  return raw("The reply", textParts(content, (part) => rawNodes(part, item)));
}

/**
 * @param {TextPart} part
 * @param {Item} item
 */
function rawNodes(part, item) {
  const places = part[0] === 0 ? placesIn(part[1], item) : [];
  return markedNodes(part[1], merged([...places, ...offsetPlace(part, item.mark)]));
}

/**
 * Values by their paths, with the numbers of what is held against them.
 * @param {unknown} value
 * @param {Item} item
 */
function fieldsView(value, item) {
  /** @type {PathLabels} */
  const labels = new Map();
  [...(item.violations || []), ...(item.findings || [])].forEach(([path], position) =>
    labels.set(path, [...(labels.get(path) || []), position + 1]),
  );
  const only = Array.isArray(value) && value.length === 1;
  return el(
    "div",
    { class: "fields-view", dir: "auto" },
    only ? [faultSign("$", labels), valueNodes(value[0], "$[0]", labels, 0)] : valueNodes(value, "$", labels, 0),
  );
}

/**
 * @param {unknown} value
 * @param {string} path
 * @param {PathLabels} labels
 * @param {number} depth
 * @returns {Child}
 */
function valueNodes(value, path, labels, depth) {
  if (value === null || typeof value !== "object") return scalarNode(value, path, labels);
  if (depth > DEEPEST) return el("code", {}, jsonText(value));
  const sign = faultSign(path, labels);
  if (!Object.keys(value).length) return [sign, el("span", { class: "quiet" }, Array.isArray(value) ? "[]" : "{}")];
  if (Array.isArray(value))
    return [
      sign,
      el(
        "ol",
        {},
        value.map((one, position) => el("li", {}, valueNodes(one, `${path}[${position}]`, labels, depth + 1))),
      ),
    ];
  return [
    sign,
    el(
      "dl",
      { class: "fields" },
      Object.entries(value).map(([key, one]) => [
        el("dt", {}, name(key)),
        el("dd", {}, valueNodes(one, path + keyStep(JSON.stringify(key)), labels, depth + 1)),
      ]),
    ),
  ];
}

/**
 * @param {unknown} value
 * @param {string} path
 * @param {PathLabels} labels
 */
function scalarNode(value, path, labels) {
  const words = typeof value === "string" ? value : String(value);
  const shownValue = typeof value === "string" ? words || "(empty)" : el("code", {}, words);
  const numbers = labels.get(path);
  return numbers ? fault(shownValue, numbers) : el("span", { class: "value" }, shownValue);
}

/**
 * @param {Child} content
 * @param {number[]} numbers
 */
function fault(content, numbers) {
  const label = numbers.join(", ");
  return el("mark", { title: `offending place: ${label}` }, content, el("sup", {}, label));
}

/**
 * @param {string} path
 * @param {PathLabels} labels
 */
function faultSign(path, labels) {
  const numbers = labels.get(path);
  return numbers ? fault("here", numbers) : null;
}

/**
 * @param {number} first
 * @param {string} text
 * @param {unknown} value
 */
async function diffView(first, text, value) {
  const payload = await payloadOf(first);
  const before = payload && payload.exchange && payload.exchange.content ? wholeText(payload.exchange.content) : "";
  const parsed = parsedReply(before);
  const both = value !== undefined && parsed !== undefined;
  const pieces = both ? difference(jsonText(parsed, 2), jsonText(value, 2)) : difference(before, text);
  /** @type {Record<Piece["kind"], "span" | "del" | "ins">} */
  const tags = { same: "span", gone: "del", new: "ins" };
  const same = pieces.every(({ kind }) => kind === "same");
  return el(
    "div",
    {},
    el("p", { class: "quiet small" }, same ? "The same as the first." : "Against the first: ", same ? "" : diffLegend()),
    el(
      "pre",
      { class: "raw diff", dir: "auto", tabindex: "0", role: "region", "aria-label": "Difference from the first reply" },
      pieces.map(({ kind, text: part }) => el(tags[kind], {}, part)),
    ),
  ); // prettier-ignore
}

function diffLegend() {
  return [el("del", {}, "only in the first"), " ", el("ins", {}, "only in this one")];
}
