// The page's data. The index is read at once; chunks are unpacked when a case is opened, and kept.

const canUnpack = typeof DecompressionStream === "function";
const CANNOT_UNPACK =
  "This browser cannot unpack the answers: it has no DecompressionStream. " +
  "Chrome 97, Firefox 113 and Safari 16.4 or newer can.";
const index = await readIndex();
const entries = index.entries;
const unpacked = new Map();

const OUTCOMES = {
  passed: { sign: "✓", words: "passed" },
  failed: { sign: "✕", words: "failed" },
  error: { sign: "!", words: "error" },
  skipped: { sign: "–", words: "skipped" },
  not_run: { sign: "·", words: "not run" },
  not_needed: { sign: "∅", words: "not needed" },
};

const entryByKey = new Map(entries.key.map((key, entry) => [key, entry]));

// Entry numbers of each title, in plan order.
const entriesOfTitle = index.titles.map(() => []);
entries.title.forEach((title, entry) => entriesOfTitle[title].push(entry));

function outcomeOf(entry) {
  return index.categories[entries.category[entry]][0];
}

function categoryOf(entry) {
  const [outcome, category] = index.categories[entries.category[entry]];
  return category === outcome ? OUTCOMES[outcome].words : category;
}

// A category by its number, in a table's few words.
function categoryWords(position) {
  const [outcome, category] = index.categories[position];
  if (category === outcome) return OUTCOMES[outcome].words;
  return outcome === "passed" && category !== "ok" ? `${category}, tolerated` : category;
}

function contenderOf(entry) {
  return index.columns[entries.column[entry]][0];
}

function differs(position) {
  return new Set(index.columns.map((column) => column[position])).size > 1;
}

const formatsDiffer = differs(1);
const promptsDiffer = differs(2);
const repeatsDiffer = entries.repeat.some((repeat) => repeat > 1);

const severalHosts = index.contenders.some((one) => one.hosts.length);

// What distinguishes a column from the others of the same model; empty if nothing does.
function columnDetails(column) {
  const [contender, format, prompt] = index.columns[column];
  const { run, variant } = index.contenders[contender];
  // A variant's name says what is particular to it.
  const plain = !variant;
  return [run && `run ${run}`, plain && formatsDiffer && format, plain && promptsDiffer && `prompt ${prompt}`]
    .filter(Boolean)
    .join(" · ");
}

function contenderLabel(contender) {
  const { label, run } = index.contenders[contender];
  return run ? `${label} · run ${run}` : label;
}

// A small index is plain JSON, a large one is packed.
async function readIndex() {
  const { type, textContent } = byId("index");
  if (type === "application/json") return JSON.parse(textContent);
  if (!canUnpack) document.body.prepend(el("p", { class: "card alert" }, CANNOT_UNPACK));
  return inflate(textContent);
}

// The answers of a hundred thousand cases are too many to keep: the least recently used chunk goes.
const MOST_UNPACKED = 24;

async function unpack(id) {
  const found = unpacked.get(id) || inflate(byId(id).textContent);
  unpacked.delete(id);
  unpacked.set(id, found);
  if (unpacked.size > MOST_UNPACKED) unpacked.delete(unpacked.keys().next().value);
  return found;
}

async function inflate(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// All that is known of an entry's case; null if the page has no room for it.
async function payloadOf(entry) {
  const place = entries.place[entry];
  if (place === null) return null;
  const chunk = index.starts.findLastIndex((start) => start <= place);
  return (await unpack(`chunk-${chunk}`))[place - index.starts[chunk]];
}

// A text that may stand in the table of shared texts.
async function sharedText(part) {
  return typeof part === "number" ? (await unpack("texts"))[part] : part;
}

async function messageText(message) {
  return (await Promise.all(message.parts.map(sharedText))).join("");
}
