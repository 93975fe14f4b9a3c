// A whole case in a dialog, and beside it other answers to the same title. Its address is #case=<key>,<key>.

let opened = [];
let drawing = 0;

function linkTo(answers) {
  return `#case=${answers.map((entry) => encodeURIComponent(entries.key[entry])).join(",")}`;
}

function answersInAddress() {
  if (!location.hash.startsWith("#case=")) return null;
  return location.hash
    .slice(6)
    .split(",")
    .map(decoded)
    .map((key) => entryByKey.get(key))
    .filter((entry) => entry !== undefined);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function followAddress() {
  const answers = answersInAddress();
  const dialog = byId("case");
  if (answers === null) {
    if (dialog.open) dialog.close();
    showAddress();
    return;
  }
  opened = answers.filter((entry) => entries.title[entry] === entries.title[answers[0]]);
  drawCase();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

// Keep the scroll position of the page behind the dialog: an address without a case must not scroll to the top.
function leaveAddress() {
  if (answersInAddress() !== null) history.pushState(null, "", location.pathname + location.search);
}

function drawCase() {
  const dialog = byId("case");
  const close = el("button", { type: "button", class: "close", click: () => dialog.close() }, "Close");
  if (!opened.length) {
    dialog.replaceChildren(
      el("header", { class: "case-head" }, el("h2", { id: "case-title" }, "No such case"), close),
      el("p", {}, "This report has no case of that address. It may have been made from another run."),
    );
    return;
  }
  const [id, text, fields] = index.titles[entries.title[opened[0]]];
  const answers = el("div", { class: "answers-grid" });
  placed(answers, { "--answers": String(opened.length) });
  dialog.replaceChildren(
    el(
      "header",
      { class: "case-head" },
      el(
        "div",
        {},
        el("p", { class: "quiet small" }, "Title ", name(id)),
        el("h2", { id: "case-title", tabindex: "-1", autofocus: true }, name(text, "headline")),
        fields === undefined ? null : el("p", { class: "quiet small" }, name(fields)),
      ),
      el("div", { class: "case-buttons" }, goToTitle(-1, "Previous"), goToTitle(1, "Next"), close),
    ),
    answerChoice(),
    answers,
  );
  fillAnswers(answers);
}

// The answer to another title that stands where this one does: the same column, the same repeat if there is one.
function answerLike(entry, title) {
  const inColumn = entriesOfTitle[title].filter((other) => entries.column[other] === entries.column[entry]);
  return inColumn.find((other) => entries.repeat[other] === entries.repeat[entry]) ?? inColumn[0];
}

// The next title of the filtered list, in the same column and repeat.
function goToTitle(step, label) {
  const position = shown.titles.indexOf(entries.title[opened[0]]) + step;
  const title = shown.titles[position];
  const alike = title === undefined ? [] : opened.map((entry) => answerLike(entry, title));
  const group = [...new Set(alike)].filter((entry) => entry !== undefined);
  const go = () => {
    location.hash = linkTo(group);
  };
  return el(
    "button",
    { type: "button", disabled: !group.length || shown.titles.indexOf(entries.title[opened[0]]) < 0, click: go },
    label,
  );
}

// All answers to the title; the pressed ones stand side by side.
function answerChoice() {
  const group = entriesOfTitle[entries.title[opened[0]]];
  if (group.length < 2) return null;
  return el(
    "div",
    { class: "choices", role: "group", "aria-label": "Answers to this title, to read side by side" },
    el("span", { class: "quiet small" }, "Read side by side:"),
    group.map((entry) =>
      el(
        "button",
        {
          type: "button",
          class: `chip ${outcomeOf(entry)}`,
          "aria-pressed": String(opened.includes(entry)),
          click: () => toggle(entry),
        },
        `${OUTCOMES[outcomeOf(entry)].sign} `,
        name(answerLabel(entry)),
      ),
    ),
  );
}

function toggle(entry) {
  const rest = opened.filter((other) => other !== entry);
  const wanted = rest.length === opened.length ? [...opened, entry] : rest;
  if (!wanted.length) return;
  // Not a step to go back to: it is the same case, with more beside it.
  history.replaceState(null, "", linkTo(wanted));
  opened = wanted;
  drawCase();
  const pressed = [...byId("case").querySelectorAll(".choices .chip")][
    entriesOfTitle[entries.title[entry]].indexOf(entry)
  ];
  if (pressed) pressed.focus();
}

function answerLabel(entry) {
  const { label } = index.contenders[contenderOf(entry)];
  const repeat = repeatsDiffer ? `repeat ${entries.repeat[entry]}` : "";
  return [label, columnDetails(entries.column[entry]), repeat].filter(Boolean).join(" · ");
}

async function fillAnswers(target) {
  const turn = (drawing += 1);
  const cards = opened.map(() =>
    el("article", { class: "answer-card", "aria-busy": "true" }, el("p", { class: "quiet" }, "Unpacking…")),
  );
  target.append(...cards);
  if (!canUnpack) {
    target.replaceChildren(
      el(
        "p",
        { class: "card alert" },
        CANNOT_UNPACK,
      ),
    );
    return;
  }
  for (const [position, entry] of opened.entries()) {
    const content = await answerCard(entry);
    if (turn !== drawing) return;
    cards[position].replaceChildren(...content);
    cards[position].removeAttribute("aria-busy");
    showFirstMark(cards[position]);
  }
}

function showFirstMark(article) {
  const mark = article.querySelector("mark");
  const box = mark && mark.closest("pre");
  if (box && mark.offsetTop > box.clientHeight - 40) box.scrollTop = mark.offsetTop - box.clientHeight / 3;
}

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
    ...said(exchange, item),
    faultList("Violations of the schema", item.violations, item.violation_count, 0),
    faultList("Findings", item.findings, item.finding_count, (item.violations || []).length),
    await promptPart(payload.messages),
    exchange ? courseOf(exchange, item) : null,
    exchange ? await servedBy(exchange) : null,
    identity(payload, item),
  ].filter(Boolean);
}

// A large page has no room for every case's texts.
function leftOut(entry) {
  const run = index.contenders[contenderOf(entry)].run || index.runs[0].id;
  const command = `plotbot report ${run} --case ${entries.key[entry]}`;
  return [
    el("h3", {}, name(answerLabel(entry))),
    el("p", {}, `${OUTCOMES[outcomeOf(entry)].sign} ${categoryWords(entries.category[entry])}`),
    el("p", { class: "quiet" }, "This page has no room for the texts of this case. This command shows them:"),
    el("pre", {}, command),
  ];
}

function messagePart(item) {
  if (!item.message || !item.message.length) return null;
  const message = el("p", { class: "message", dir: "auto" }, ...textParts(item.message));
  // Versions before 0.2 have the explanation in the message, too.
  const old = !item.explained.length && (item.violation_count || item.finding_count);
  return old ? details("What the test said", message) : message;
}

// What was expected, what came and where: a line each, as the terminal has them.
function explanationPart(item) {
  if (!item.explained || !item.explained.length) return null;
  return el(
    "dl",
    { class: "explained" },
    item.explained.map(([label, text]) => [el("dt", {}, label), el("dd", {}, name(text, "plain"))]),
  );
}

function verdictLine(entry, item, exchange) {
  const outcome = outcomeOf(entry);
  const beside = item.verdict && !["ok", item.category].includes(item.verdict);
  const notes = [
    beside && `the verdict on the reply: ${item.verdict}`,
    item.tolerated && "tolerated by name",
    item.recoverable && !item.tolerated && "a valid answer could be recovered",
    item.kept && "kept in the dataset",
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

// Which host answered, if the run had several.
function hostNote(exchange) {
  if (!severalHosts || !exchange || !exchange.host) return null;
  const verb = exchange.fault ? "last asked at" : "answered by";
  return el("span", { class: "quiet" }, ` · ${verb} `, name(exchange.host, "plain"));
}

// The parts of a cut text, with a note for what was left out between and after them.
function textParts(text, nodesOf = (part) => textNodes(part[1])) {
  const unit = text.unit || "characters";
  const left = (count) => el("em", { class: "left-out" }, `… ${number(count)} ${unit} left out; the journal has all …`);
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

function said(exchange, item) {
  if (!exchange)
    return [el("p", { class: "quiet" }, item.outcome ? "No answer was asked for." : "This case was not asked.")];
  const nodes = [];
  if (exchange.fault)
    nodes.push(
      el("h4", {}, "No usable answer arrived"),
      el("p", {}, name(exchange.fault[0]), ": ", name(exchange.fault[1], "plain")),
    );
  if (exchange.content) {
    const marked = (part) =>
      markedNodes(
        part[1],
        merged([...(part[0] === 0 ? placesIn(part[1], item) : []), ...offsetPlace(part, item.mark)]),
      );
    nodes.push(
      el("h4", {}, "The reply, as it came"),
      exchange.content.length
        ? raw("The reply", textParts(exchange.content, marked))
        : el("p", { class: "quiet" }, "The reply is empty."),
    );
  }
  if (exchange.reasoning) nodes.push(details("Its reasoning", raw("The reasoning", textParts(exchange.reasoning))));
  if (exchange.raw)
    nodes.push(
      el("h4", {}, `What the server sent (${number(exchange.raw.length)} bytes)`),
      raw("The body", textParts(exchange.raw)),
    );
  return nodes;
}

function raw(label, nodes) {
  return el("pre", { class: "raw", dir: "auto", tabindex: "0", role: "region", "aria-label": label }, ...nodes);
}

function details(summary, ...content) {
  return el("details", {}, el("summary", {}, summary), ...content);
}

function faultList(title, faults, count, before) {
  if (!count) return null;
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
