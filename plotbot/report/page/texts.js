// What is searched for and sorted by and is not in the index: it is read from the packed answers, once, in the
// background after the first view. Typing goes on while it is read.

/**
 * @type {{text: string[], message: string[], host: (string | null)[], tokens: (number | null)[],
 *   attempts: (number | null)[], length: (number | null)[], read: number, ready: boolean}}
 */
const SAID = { text: [], message: [], host: [], tokens: [], attempts: [], length: [], read: 0, ready: false };
/**
 * Names of fields in the replies, for the choice of what the grid shows.
 * @type {Set<string>}
 */
const fieldNames = new Set();
const MOST_FIELD_NAMES = 40;
/** @type {(() => void)[]} */
const heard = [];

/**
 * Numbers that a row of the grid may show of an answer, and a download has.
 * @type {Record<FactKey, {label: string, of: (entry: number) => number | null, digits: number}>}
 */
const FACTS = {
  seconds: { label: "seconds", of: (entry) => entries.seconds[entry], digits: 2 },
  speed: { label: "tokens/s", of: (entry) => entries.speed[entry], digits: 1 },
  tokens: { label: "tokens", of: (entry) => SAID.tokens[entry], digits: 0 },
  attempts: { label: "attempts", of: (entry) => SAID.attempts[entry], digits: 0 },
  length: { label: "characters", of: (entry) => SAID.length[entry], digits: 0 },
};

/**
 * @param {string} text
 * @returns {text is FactKey}
 */
function isFact(text) {
  return Object.hasOwn(FACTS, text);
}

function entriesByPlace() {
  /** @type {Map<number | null, number[]>} */
  const found = new Map();
  entries.place.forEach((place, entry) => {
    const others = found.get(place);
    if (others) others.push(entry);
    else found.set(place, [entry]);
  });
  return found;
}

/**
 * Call back whenever more answers are read; the last time when all are.
 * @param {() => void} callback
 */
function whenRead(callback) {
  heard.push(callback);
}

async function readTexts() {
  if (!canUnpack) return;
  const ofPlace = entriesByPlace();
  for (const [chunk, start] of index.starts.entries()) {
    const payloads = /** @type {Payload[]} */ (await inflate(byId(`chunk-${chunk}`).textContent));
    payloads.forEach((payload, at) => {
      for (const entry of ofPlace.get(start + at) || []) readEntry(entry, payload);
    });
    SAID.read = chunk + 1;
    if (chunk % 20 === 19) heard.forEach((callback) => callback());
    await new Promise((done) => setTimeout(done));
  }
  SAID.ready = true;
  heard.forEach((callback) => callback());
}

/**
 * @param {number} entry
 * @param {Payload} payload
 */
function readEntry(entry, payload) {
  const { exchange } = payload;
  const item = payload.items[entries.key[entry]];
  const reply = exchange && exchange.content;
  const content = wholeText(reply);
  SAID.text[entry] = content.toLowerCase();
  SAID.message[entry] = messageOf(item, exchange).toLowerCase();
  SAID.host[entry] = exchange ? exchange.host : null;
  SAID.tokens[entry] = exchange ? exchange.completion_tokens : null;
  SAID.attempts[entry] = exchange ? exchange.attempt_count : null;
  SAID.length[entry] = reply ? reply.length : null;
  if (entry % 23 === 0) noteFields(parsedReply(content));
}

/** @param {Pieces | null | undefined} text */
function wholeText(text) {
  return text ? text.parts.map((part) => part[1]).join("\n") : "";
}

/**
 * @param {Item} item
 * @param {Exchange | null} exchange
 */
function messageOf(item, exchange) {
  return [
    wholeText(item.message),
    ...(item.explained || []).map((one) => one[1]),
    ...[...(item.violations || []), ...(item.findings || [])].map((fault) => fault.join(" ")),
    exchange && exchange.fault ? exchange.fault.join(" ") : "",
  ].join("\n");
}

/** @param {unknown} value */
function noteFields(value) {
  const first = Array.isArray(value) ? value[0] : value;
  if (!isObject(first)) return;
  for (const key of Object.keys(first))
    if (fieldNames.size < MOST_FIELD_NAMES && key.length <= 60) fieldNames.add(key);
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * The JSON value of a reply, also of one in a code fence; undefined where there is none.
 * @param {string} content
 * @returns {unknown}
 */
function parsedReply(content) {
  const fenced = /```(?:json)?\s*\n([\s\S]*?)```/i.exec(content);
  for (const text of [content, fenced && fenced[1]]) {
    if (!text) continue;
    try {
      return JSON.parse(text);
    } catch {
      // Not JSON: it is shown as text.
    }
  }
  return undefined;
}

/**
 * A few words of a reply for the grid: the chosen fields, else its first field that says more than the headline.
 * @param {string} content
 * @param {string} headline
 * @param {string[]} wanted
 */
function briefOf(content, headline, wanted) {
  const value = parsedReply(content);
  const first = Array.isArray(value) ? value[0] : value;
  if (!isObject(first)) return content.trim().split("\n", 1)[0].slice(0, 400);
  if (wanted.length)
    return wanted
      .map((key) => (Object.hasOwn(first, key) ? shortValue(first[key]) : "–"))
      .join(" · ")
      .slice(0, 1200);
  const told = Object.values(first).find((one) => shortValue(one) !== headline);
  return told === undefined ? "{}" : shortValue(told).slice(0, 400);
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function shortValue(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.join(", ");
  return jsonText(value);
}

/**
 * A model may nest a thousand levels, of which JSON.stringify makes an exception.
 * @param {unknown} value
 * @param {number} [indent]
 */
function jsonText(value, indent) {
  try {
    return JSON.stringify(value, null, indent);
  } catch {
    return "(nested too deep to show)";
  }
}
