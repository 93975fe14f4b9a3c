// What can be taken away: a reply, a command, a link; and the answers shown as CSV or JSON Lines.

/** @type {(keyof Awaited<ReturnType<typeof record>>)[]} */
const DOWNLOAD = [
  "title_id", "title", "model", "variant", "run", "repeat", "outcome", "category", "item", "case", "seconds",
  "tokens_per_second", "tokens", "attempts", "host", "message", "violations", "reply",
]; // prettier-ignore

let toasting = 0;
/** @param {string} words */
function toast(words) {
  const node = byId("toast");
  // An opened dialog covers what is not in it.
  (byId("case").open ? byId("case") : document.body).append(node);
  node.textContent = words;
  clearTimeout(toasting);
  toasting = setTimeout(() => (node.textContent = ""), 2500);
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copiedByHand(text)) {
      toast("This browser does not let the page copy");
      return;
    }
  }
  toast(`Copied ${plural([...text].length, "character", "characters")}`);
}

/**
 * Pages of files have no clipboard in some browsers; a selection can be copied in all.
 * @param {string} text
 */
function copiedByHand(text) {
  const area = el("textarea", { class: "unseen", readonly: true });
  area.value = text;
  (byId("case").open ? byId("case") : document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

// The address of what is shown, also of what was typed a moment ago.
function copyLink() {
  setView({}, "now");
  return copy(location.href);
}

/** @param {number} entry */
async function copyReply(entry) {
  const payload = await payloadOf(entry);
  const text = payload && payload.exchange && payload.exchange.content;
  if (!text) toast("There is no reply to copy");
  else await copy(wholeText(text));
}

/** @param {number} entry */
async function copyCommand(entry) {
  const payload = await payloadOf(entry);
  if (payload === null) toast("This page has no room for the texts of this case");
  else await copy(commandOf(payload.items[entries.key[entry]].item));
}

/**
 * The line that runs this item alone, quoted for a POSIX shell.
 * @param {string} item
 */
function commandOf(item) {
  return `pytest ${quotedWord(item)}`;
}

/** @param {string} text */
function quotedWord(text) {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}

/** @param {"csv" | "jsonl"} kind */
async function download(kind) {
  if (!canUnpack) return;
  const rows = [];
  for (const title of shown.titles) {
    for (const entry of entriesOfTitle[title]) if (shown.fitting.has(entry)) rows.push(await record(entry));
  }
  const text =
    kind === "csv"
      ? [DOWNLOAD, ...rows.map((row) => DOWNLOAD.map((key) => row[key]))].map(csvLine).join("")
      : rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  // Spreadsheets take a CSV file for UTF-8 if it begins with this mark.
  const blob = new Blob(kind === "csv" ? ["\ufeff", text] : [text], { type: "text/plain;charset=utf-8" });
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: `plotbot-answers.${kind}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  toast(`${plural(rows.length, "answer", "answers")} in plotbot-answers.${kind}`);
}

/** @param {number} entry */
async function record(entry) {
  /** @type {Partial<Payload>} */
  const { case: one = null, exchange = null, items = {} } = (await payloadOf(entry)) || {};
  /** @type {Partial<Item>} */
  const item = items[entries.key[entry]] || {};
  const contender = index.contenders[contenderOf(entry)];
  const [id, title] = index.titles[entries.title[entry]];
  return {
    title_id: id,
    title,
    model: contender.model,
    variant: contender.variant,
    run: contender.run || index.runs[0].name,
    repeat: entries.repeat[entry],
    outcome: outcomeOf(entry),
    category: categoryOf(entry),
    item: item.item,
    case: one ? one.id : entries.key[entry],
    seconds: entries.seconds[entry],
    tokens_per_second: entries.speed[entry],
    tokens: exchange ? exchange.completion_tokens : null,
    attempts: exchange ? exchange.attempt_count : null,
    host: exchange ? exchange.host : null,
    message: wholeText(item.message),
    violations: (item.violations || []).map(([path, keyword, message]) => `${path} ${keyword}: ${message}`).join("\n"),
    reply: exchange && exchange.content ? wholeText(exchange.content) : null,
  };
}

/** @param {CsvValue[]} cells */
function csvLine(cells) {
  return `${cells.map(csvCell).join(",")}\r\n`;
}

/**
 * A text that begins like a formula gets an apostrophe: a spreadsheet would run it.
 * @param {CsvValue} value
 */
function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replace(/"/g, '""')}"` : harmless;
}
