// The page's data. The index is read at once; chunks are unpacked when a case is opened, and kept.

const canUnpack = typeof DecompressionStream === "function";
const CANNOT_UNPACK =
  "This browser cannot unpack the answers: it has no DecompressionStream. " +
  "Chrome 97, Firefox 113 and Safari 16.4 or newer can.";
const index = await readIndex();
const entries = index.entries;
/** @type {Map<string, Promise<unknown>>} */
const unpacked = new Map();

/** @type {Record<Outcome, {sign: string, words: string}>} */
const OUTCOMES = {
  passed: { sign: "✓", words: "passed" },
  failed: { sign: "✕", words: "failed" },
  error: { sign: "!", words: "error" },
  skipped: { sign: "–", words: "skipped" },
  not_run: { sign: "·", words: "not run" },
  not_needed: { sign: "∅", words: "not needed" },
};

const entryByKey = new Map(entries.key.map((key, entry) => [key, entry]));

/**
 * Entry numbers of each title, in plan order.
 * @type {number[][]}
 */
const entriesOfTitle = index.titles.map(() => []);
entries.title.forEach((title, entry) => entriesOfTitle[title].push(entry));

/** @param {number} entry */
function outcomeOf(entry) {
  return index.categories[entries.category[entry]][0];
}

/** @param {number} entry */
function categoryOf(entry) {
  const [outcome, category] = index.categories[entries.category[entry]];
  return category === outcome ? OUTCOMES[outcome].words : category;
}

/**
 * A category by its number, in a table's few words.
 * @param {number} position
 */
function categoryWords(position) {
  const [outcome, category] = index.categories[position];
  if (category === outcome) return OUTCOMES[outcome].words;
  return outcome === "passed" && category !== "ok" ? `${category}, tolerated` : category;
}

/** @param {number} entry */
function contenderOf(entry) {
  return index.columns[entries.column[entry]][0];
}

/** @param {number} position */
function differs(position) {
  return new Set(index.columns.map((column) => column[position])).size > 1;
}

const formatsDiffer = differs(1);
const promptsDiffer = differs(2);
const repeatsDiffer = entries.repeat.some((repeat) => repeat > 1);

const severalHosts = index.contenders.some((one) => one.hosts.length);

/**
 * What distinguishes a column from the others of the same model; empty if nothing does.
 * @param {number} column
 */
function columnDetails(column) {
  const [contender, format, prompt] = index.columns[column];
  const { run, variant } = index.contenders[contender];
  // A variant's name says what is particular to it.
  const plain = !variant;
  return [run && `run ${run}`, plain && formatsDiffer && format, plain && promptsDiffer && `prompt ${prompt}`]
    .filter(Boolean)
    .join(" · ");
}

/** @param {number} contender */
function contenderLabel(contender) {
  const { label, run } = index.contenders[contender];
  return run ? `${label} · run ${run}` : label;
}

/**
 * A small index is plain JSON, a large one is packed.
 * @returns {Promise<PageIndex>}
 */
async function readIndex() {
  const { type, textContent } = byId("index");
  if (type === "application/json") return JSON.parse(textContent);
  if (!canUnpack) document.body.prepend(el("p", { class: "card alert" }, CANNOT_UNPACK));
  return /** @type {PageIndex} */ (await inflate(textContent));
}

// The answers of a hundred thousand cases are too many to keep: the least recently used chunk goes.
const MOST_UNPACKED = 24;

/** @param {`chunk-${number}` | "texts"} id */
async function unpack(id) {
  const found = unpacked.get(id) || inflate(byId(id).textContent);
  unpacked.delete(id);
  unpacked.set(id, found);
  const [oldest] = unpacked.keys();
  if (unpacked.size > MOST_UNPACKED) unpacked.delete(oldest);
  return found;
}

/**
 * @param {string} base64
 * @returns {Promise<unknown>}
 */
async function inflate(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/**
 * All that is known of an entry's case; null if the page has no room for it.
 * @param {number} entry
 * @returns {Promise<Payload | null>}
 */
async function payloadOf(entry) {
  const place = entries.place[entry];
  if (place === null) return null;
  const chunk = index.starts.findLastIndex((start) => start <= place);
  const payloads = /** @type {Payload[]} */ (await unpack(`chunk-${chunk}`));
  return payloads[place - index.starts[chunk]];
}

/**
 * A text that may stand in the table of shared texts.
 * @param {SharedText} part
 */
async function sharedText(part) {
  if (typeof part === "string") return part;
  return /** @type {string[]} */ (await unpack("texts"))[part];
}

/** @param {Message} message */
async function messageText(message) {
  return (await Promise.all(message.parts.map(sharedText))).join("");
}
