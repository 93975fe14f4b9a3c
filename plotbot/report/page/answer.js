// One answer: its verdict and what is held against it, the reply, and how it came about.

/** @param {number} entry */
async function answerCard(entry) {
  const payload = await payloadOf(entry);
  if (payload === null) return leftOut(entry);
  const item = payload.items[entries.key[entry]];
  const exchange = payload.exchange;
  return [
    el("h3", {}, name(answerLabel(entry))),
    verdictLine(entry, item, exchange),
    messagePart(item),
    explanationPart(item),
    ...(await said(entry, exchange, item)),
    faultList("Violations of the schema", item.violations, item.violation_count, 0),
    faultList("Findings", item.findings, item.finding_count, (item.violations || []).length),
    await promptPart(payload.messages),
    exchange ? courseOf(exchange, item) : null,
    exchange ? await servedBy(exchange) : null,
    identity(payload, item),
    el(
      "p",
      { class: "copies" },
      el("button", { type: "button", click: () => copyReply(entry) }, "Copy reply"),
      el("button", { type: "button", click: () => copy(commandOf(item.item)) }, "Copy command"),
    ),
  ];
}

/**
 * A large page has no room for every case's texts.
 * @param {number} entry
 */
function leftOut(entry) {
  const run = index.contenders[contenderOf(entry)].run || index.runs[0].name;
  const command = `plotbot report ${quotedWord(run)} --case ${entries.key[entry]}`;
  return [
    el("h3", {}, name(answerLabel(entry))),
    el("p", {}, `${OUTCOMES[outcomeOf(entry)].sign} ${categoryWords(entries.category[entry])}`),
    el("p", { class: "quiet" }, "This page has no room for the texts of this case. This command shows them:"),
    el("pre", {}, command),
  ];
}

/** @param {Item} item */
function messagePart(item) {
  if (!item.message || !item.message.length) return null;
  const message = el("p", { class: "message", dir: "auto" }, ...textParts(item.message));
  // Versions before 0.2 have the explanation in the message, too.
  const old = !item.explained?.length && (item.violation_count || item.finding_count);
  return old ? details("What the test said", message) : message;
}

/**
 * What was expected, what came and where: a line each, as the terminal has them.
 * @param {Item} item
 */
function explanationPart(item) {
  if (!item.explained || !item.explained.length) return null;
  return el(
    "dl",
    { class: "explained" },
    item.explained.map(([label, text]) => [el("dt", {}, label), el("dd", {}, name(text, "plain"))]),
  );
}

/**
 * @param {number} entry
 * @param {Item} item
 * @param {Exchange | null} exchange
 */
function verdictLine(entry, item, exchange) {
  const outcome = outcomeOf(entry);
  const beside = item.verdict && !["ok", item.category].includes(item.verdict);
  const notes = [
    beside && `the verdict on the reply: ${item.verdict}`,
    item.tolerated && "tolerated by name",
    item.recoverable && !item.tolerated && "a valid answer could be recovered",
    item.kept && keptWords(entry),
  ].filter(Boolean);
  return el(
    "p",
    { class: "verdict" },
    el("strong", { class: outcome }, `${OUTCOMES[outcome].sign} ${OUTCOMES[outcome].words}`),
    categoryOf(entry) === OUTCOMES[outcome].words ? null : el("span", {}, " · ", name(categoryOf(entry))),
    notes.length ? el("span", { class: "quiet" }, ` · ${notes.join(" · ")}`) : null,
    hostNote(exchange),
  );
}

/**
 * The dataset has the last good answer of a model and prompt; the page must not say that an earlier one is there. A
 * later run may replace the last one of this run, which is why it says no more than that it was put there.
 * @param {number} entry
 */
function keptWords(entry) {
  const by = replacedBy(entry);
  if (by === undefined) return "put into the dataset";
  const other = entries.repeat[by] === entries.repeat[entry] ? "a later answer" : `repeat ${entries.repeat[by]}`;
  return `valid; replaced by ${other} in the dataset`;
}

/**
 * Which host answered, if the run had several.
 * @param {Exchange | null} exchange
 */
function hostNote(exchange) {
  if (!severalHosts || !exchange || !exchange.host) return null;
  const verb = exchange.fault ? "last asked at" : "answered by";
  return el("span", { class: "quiet" }, ` · ${verb} `, name(exchange.host, "plain"));
}

/**
 * The parts of a cut text, with a note for what was left out between and after them.
 * @param {Pieces} text
 * @param {(part: TextPart) => Node[]} [nodesOf]
 */
function textParts(text, nodesOf = (part) => textNodes(part[1])) {
  const unit = text.unit || "characters";
  /** @param {number} count */
  const left = (count) => el("em", { class: "left-out" }, `… ${number(count)} ${unit} left out; the journal has all …`);
  /** @type {Child[]} */
  const nodes = [];
  let reached = 0;
  for (const part of text.parts) {
    if (part[0] > reached) nodes.push("\n", left(part[0] - reached), "\n");
    nodes.push(...nodesOf(part));
    reached = part[0] + [...part[1]].length;
  }
  if (reached < text.length && unit === "characters") nodes.push("\n", left(text.length - reached));
  return nodes;
}

/**
 * @param {number} entry
 * @param {Exchange | null} exchange
 * @param {Item} item
 */
async function said(entry, exchange, item) {
  if (!exchange)
    return [el("p", { class: "quiet" }, item.outcome ? "No answer was asked for." : "This case was not asked.")];
  const nodes = [];
  if (exchange.fault)
    nodes.push(
      el("h4", {}, "No usable answer arrived"),
      el("p", {}, name(exchange.fault[0]), ": ", name(exchange.fault[1], "plain")),
    );
  if (exchange.content) nodes.push(el("h4", {}, "The reply"), await replyView(entry, exchange.content, item));
  if (exchange.reasoning) nodes.push(details("Its reasoning", raw("The reasoning", textParts(exchange.reasoning))));
  if (exchange.raw)
    nodes.push(
      el("h4", {}, `What the server sent (${plural(exchange.raw.length, "byte", "bytes")})`),
      raw("The body", textParts(exchange.raw)),
    );
  return nodes;
}

/**
 * @param {string} label
 * @param {Child[]} nodes
 */
function raw(label, nodes) {
  return el("pre", { class: "raw", dir: "auto", tabindex: "0", role: "region", "aria-label": label }, ...nodes);
}

/**
 * @param {Child} summary
 * @param {...Child} content
 */
function details(summary, ...content) {
  return el("details", {}, el("summary", {}, summary), ...content);
}

/**
 * @param {string} title
 * @param {Fault[] | undefined} faults
 * @param {number | undefined} count
 * @param {number} before
 */
function faultList(title, faults, count, before) {
  if (!count || !faults) return null;
  const more = count - faults.length;
  return el(
    "div",
    {},
    el("h4", {}, title),
    el(
      "ol",
      { class: "faults", start: before + 1 },
      faults.map(([path, keyword, message]) =>
        el("li", {}, el("code", {}, name(path)), " ", name(keyword, "keyword"), el("br"), name(message, "plain")),
      ),
    ),
    more > 0 ? el("p", { class: "quiet small" }, `and ${plural(more, "other", "others")}`) : null,
  );
}

/** @param {Message[]} messages */
async function promptPart(messages) {
  if (!messages.length) return null;
  const parts = await Promise.all(
    messages.map(async (message) => [
      el("h5", {}, name(message.role, "plain")),
      raw(`The ${visible(message.role)} message`, textNodes(await messageText(message))),
    ]),
  );
  return details("Prompt", ...parts.flat());
}
