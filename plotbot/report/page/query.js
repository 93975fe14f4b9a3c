// The language of the search field. Pure: nothing here knows the page or its data.
//
//   status:failed model:qwen category:schema,fenced path:tone seconds>10 -is:split "goose"
//
// Terms are joined by "and", commas are "or", a leading "-" is "not". `:` means "contains", `=` "is exactly".

const TEXT_KEYS = [
  "status", "is", "model", "variant", "run", "format", "prompt", "category", "path", "keyword", "group", "title", "id",
  "reply", "message", "host",
]; // prettier-ignore
const NUMBER_KEYS = ["seconds", "speed", "tokens", "attempts", "length", "repeat"];
const WORD = "word";

const PART = String.raw`"(?:[^"\\]|\\.)*"?|[^\s",][^\s,]*`;
const TOKEN = new RegExp(String.raw`(-?)(?:([a-z]+)(:|>=|<=|=|>|<))?((?:${PART})(?:,(?:${PART}))*,?)|\S`, "giy");

/**
 * The terms of a text. Nothing is refused: what cannot be a term is searched for as a word.
 * @param {string} text
 * @returns {Query}
 */
function parseQuery(text) {
  /** @type {Query} */
  const query = { terms: [], faults: [] };
  for (const token of tokensOf(text)) {
    const term = termOf(token);
    if (NUMBER_KEYS.includes(term.key) && !term.values.every((value) => isNumber(value)))
      query.faults.push(`${term.key} needs a number`);
    else if (!NUMBER_KEYS.includes(term.key) && "<>".includes(term.op[0]))
      query.faults.push(`${term.key} has no order`);
    else if (term.values.length) query.terms.push(term);
  }
  return query;
}

/**
 * The tokens of a text with their places in it.
 * @param {string} text
 */
function tokensOf(text) {
  const found = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at += 1;
      continue;
    }
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match) break;
    found.push({ start: at, end: TOKEN.lastIndex, match });
    at = TOKEN.lastIndex;
  }
  return found;
}

/**
 * @param {{match: RegExpExecArray}} token
 * @returns {Term}
 */
function termOf({ match }) {
  const [whole, minus, key, op, value] = match;
  const known = key && [...TEXT_KEYS, ...NUMBER_KEYS].includes(key.toLowerCase());
  if (known) return { key: key.toLowerCase(), op, values: valuesOf(value), not: minus === "-" };
  if (value === undefined || key) return { key: WORD, op: ":", values: [whole.toLowerCase()], not: false };
  const quoted = value.startsWith('"');
  const values = quoted ? valuesOf(value) : [value.toLowerCase()];
  return { key: WORD, op: ":", values: values.filter(Boolean), not: minus === "-" };
}

/** @param {string} text */
function valuesOf(text) {
  return [...text.matchAll(new RegExp(PART, "g"))].map(([part]) => {
    const inner = /^"((?:[^"\\]|\\.)*)/.exec(part);
    return (inner ? inner[1].replace(/\\(.)/g, "$1") : part).toLowerCase();
  });
}

/** @param {string} value */
function isNumber(value) {
  return value !== "" && Number.isFinite(Number(value));
}

/**
 * A value as it stands in a query: quoted if it has to be.
 * @param {string} value
 */
function quoted(value) {
  return /^[^\s",\-\\][^\s",\\]*$/.test(value) ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

/**
 * The text with these values for a key in the place of what it says of the key; no values take the key away.
 * @param {string} text
 * @param {string} key
 * @param {string[]} values
 * @param {string} [op]
 */
function withTerm(text, key, values, op = ":") {
  let rest = "";
  let last = 0;
  for (const token of tokensOf(text)) {
    if (termOf(token).key !== key || termOf(token).not) continue;
    rest += text.slice(last, token.start);
    last = token.end;
  }
  rest = (rest + text.slice(last)).replace(/\s+/g, " ").trim();
  return [values.length ? `${key}${op}${values.map(quoted).join(",")}` : "", rest].filter(Boolean).join(" ");
}

/**
 * Whether a term holds. *fact* is what is known of its key: a text in lower case, a number, or several of either.
 * @param {Term} term
 * @param {Fact | Fact[]} fact
 */
function holds(term, fact) {
  const facts = Array.isArray(fact) ? fact : [fact];
  const found = facts.some((one) => term.values.some((value) => compares(term.op, one, value)));
  return found !== term.not;
}

/**
 * @param {string} op
 * @param {Fact} fact
 * @param {string} value
 */
function compares(op, fact, value) {
  if (fact === null || fact === undefined) return false;
  if (typeof fact === "string") return op === "=" ? fact === value : fact.includes(value);
  const wanted = Number(value);
  if (op === ">") return fact > wanted;
  if (op === "<") return fact < wanted;
  if (op === ">=") return fact >= wanted;
  return op === "<=" ? fact <= wanted : fact === wanted;
}

/**
 * What may come next where the caret stands: texts that replace the token there.
 * @param {string} text
 * @param {number} caret
 * @param {(key: string) => string[]} valuesFor
 */
function completions(text, caret, valuesFor) {
  const token = tokensOf(text).find(({ start, end }) => start < caret && caret <= end);
  const start = token ? token.start : caret;
  const end = token ? token.end : caret;
  const typed = text.slice(start, caret).toLowerCase();
  const match = /^(-?)([a-z]+)([:=])(.*)$/.exec(typed);
  const minus = typed.startsWith("-") ? "-" : "";
  const all = match
    ? valuesFor(match[2])
        .filter((value) => value.toLowerCase().includes(match[4].replace(/"/g, "")))
        .map((value) => `${match[1]}${match[2]}${match[3]}${quoted(value)} `)
    : [...TEXT_KEYS.map((key) => `${minus}${key}:`), ...NUMBER_KEYS.map((key) => `${minus}${key}>`)].filter(
        (key) => typed && key.startsWith(typed),
      );
  return { start, end, choices: all.slice(0, 12) };
}
