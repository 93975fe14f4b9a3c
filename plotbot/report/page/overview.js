// The upper half: the answers in words, and the models side by side.

/** @param {Sentence} parts */
function sentence(parts) {
  return el(
    "p",
    {},
    parts.map((part) => (typeof part === "string" ? part : name(part.name))),
  );
}

/**
 * @param {string} question
 * @param {Sentence[]} sentences
 * @param {string} [className]
 */
function card(question, sentences, className) {
  return el("div", { class: `card ${className || ""}` }, el("h2", {}, question), sentences.map(sentence));
}

function drawWords() {
  const { best, fails, missing, mixed, gates } = index.words;
  const one = index.contenders.length === 1;
  byId("short").append(
    folded(card(one ? "How good is the model?" : "Which model is best?", best)),
    card("What fails most?", fails),
  );
  if (mixed.length) byId("short").append(card("Is it one model?", mixed, "alert mixed"));
  if (missing.length) byId("short").append(card("What is missing?", missing, "alert"));
  if (gates.length)
    byId("short").append(folded(card(gates.length === 1 ? "Does the gate hold?" : "Do the gates hold?", gates, "even")));
}

const MOST_SENTENCES = 6;

/**
 * Of a long card the first sentences stand there, the rest is a click away.
 * @param {HTMLElement} node
 */
function folded(node) {
  const rest = [...node.querySelectorAll("p")].slice(MOST_SENTENCES);
  if (rest.length > 1) node.append(details(`${number(rest.length)} more`, ...rest));
  return node;
}

function drawHeadline() {
  const models = new Set(index.contenders.map((one) => one.model)).size;
  const names = new Set(index.contenders.map((one) => one.variant)).size;
  const variants = names > 1 ? ` in ${names} variants` : "";
  const runs = index.runs.length > 1 ? ` in ${index.runs.length} runs` : "";
  byId("headline").textContent =
    `${plural(models, "model", "models")}${variants}, ${plural(index.titles.length, "title", "titles")}${runs}`;
  const runNames = index.runs.flatMap((run, position) => [position ? ", " : "", name(run.name)]);
  byId("origin").append(...filled(el("span"), {}, ["Run ", ...runNames, ` · made ${index.made_at}`]).childNodes);
}

/**
 * The part of the scale on which all intervals of a table lie, so that rates that differ a little look different.
 * @param {TableRow[]} rows
 * @returns {Bounds}
 */
function scaleOf(rows) {
  const ends = rows.flatMap((one) => (one.interval ? [...one.interval, ...(one.gate ? [one.gate[1]] : [])] : []));
  if (!ends.length) return [0, 1];
  const step = Math.max(...ends) - Math.min(...ends) > 0.25 ? 0.1 : 0.05;
  const low = Math.max(Math.floor(Math.min(...ends) / step + 1e-9) * step, 0);
  const high = Math.min(Math.ceil(Math.max(...ends) / step - 1e-9) * step, 1);
  return high > low ? [low, high] : [0, 1];
}

/**
 * Rate and interval on a scale whose ends are told below.
 * @param {TableRow} one
 * @param {Bounds} scale
 */
function ratePlot(one, [least, most]) {
  const plot = el("span", { class: "rate", "aria-hidden": "true" });
  // A sequential gate that waits, or has not looked yet, has a rate without an interval.
  if (one.rate === null || !one.interval) return plot;
  /** @param {number} value */
  const at = (value) => `${((value - least) / (most - least)) * 100}%`;
  const [low, high] = one.interval;
  const width = `${((high - low) / (most - least)) * 100}%`;
  plot.append(placed(el("span", { class: "interval" }), { left: at(low), width }));
  plot.append(placed(el("span", { class: "point" }), { left: at(one.rate) }));
  if (one.gate) plot.append(placed(el("span", { class: "threshold" }), { left: at(one.gate[1]) }));
  return plot;
}

/**
 * @param {TableRow} one
 * @param {Bounds} scale
 */
function plotCell(one, scale) {
  const range = one.rate === null ? "nothing rated" : one.interval ? `${one.interval_words} %` : "not yet known";
  const [low, high] = scale.map((end) => `${Math.round(end * 100)} %`);
  return el(
    "td",
    { class: "plot" },
    ratePlot(one, scale),
    el(
      "span",
      { class: "quiet small range" },
      el("span", { "aria-hidden": "true" }, low),
      el("span", { class: "interval-words" }, range),
      el("span", { "aria-hidden": "true" }, high),
    ),
  );
}

/**
 * The pass rate over hosts that served different models is the rate of none of them.
 * @param {TableRow} one
 */
function mixedTag(one) {
  return one.mixed ? el("span", { class: "tag", title: "Its hosts served different models" }, "mixed") : null;
}

/**
 * How a table shows a value, by the kind of its column.
 * @type {CellMakers}
 */
const CELLS = {
  rate: (value, label, one) => el("td", { class: "figure strong", "data-label": label }, value, mixedTag(one)),
  interval: (_value, _label, one, scale) => plotCell(one, scale),
  count: (value, label) => el("td", { class: `figure ${value ? "" : "zero"}`, "data-label": label }, number(value)),
  figure: (value, label) => el("td", { class: "figure", "data-label": label }, value),
  faults: (value, label) =>
    el("td", { class: value.length ? null : "zero", "data-label": label }, failedAttempts(value)),
  text: (value, label) => el("td", { "data-label": label }, value),
};

/**
 * The kind of a column is the kind of all its values.
 * @param {ColumnKind} kind
 */
function cellOf(kind) {
  return /** @type {CellMaker<CellValue>} */ (CELLS[kind]);
}

/** @type {ColumnKind[]} */
const FIGURES = ["rate", "count", "figure"];

/**
 * A table whose columns the index names; head makes the first cell of a row.
 * @template {TableRow} Row
 * @param {Attributes} attributes
 * @param {string} first
 * @param {TableHead[]} columns
 * @param {Row[]} rows
 * @param {(row: Row) => Child} head
 */
function columnTable(attributes, first, columns, rows, head) {
  const heads = columns.map(([label, kind]) =>
    el("th", { scope: "col", class: FIGURES.includes(kind) ? "figure" : null }, label),
  );
  const scale = scaleOf(rows);
  const body = rows.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, head(one)),
      columns.map(([label, kind], column) => cellOf(kind)(one.cells[column], label, one, scale)),
    ),
  );
  const headRow = el("tr", {}, el("th", { scope: "col" }, first), heads);
  return el("table", attributes, el("thead", {}, headRow), el("tbody", {}, body));
}

/** @param {Contender} one */
function runNote(one) {
  return one.run ? el("span", { class: "quiet small" }, " run ", name(one.run)) : null;
}

/**
 * A model's name, as a link to its own page where that is written.
 * @param {Contender} one
 */
function modelName(one) {
  const page = index.model_pages[index.contenders.indexOf(one)];
  return page ? el("a", { href: page }, name(one.label)) : name(one.label);
}

function drawModels() {
  byId("models").append(
    columnTable(
      { class: "models", "aria-labelledby": "models-title" },
      "model",
      index.model_columns,
      index.contenders,
      (one) => [modelName(one), runNote(one)],
    ),
  );
  byId("models").append(
    el(
      "p",
      { class: "quiet small" },
      `${index.words.accounting}. The pass rate is passed / (passed + failed): errors are the server's.`,
      index.words.left_out && ` ${index.words.left_out}.`,
    ),
  );
}

function drawRepeats() {
  const rows = index.contenders.flatMap((one) => (one.repeats ? { ...one, cells: one.repeats } : []));
  byId("repeats-section").hidden = !rows.length;
  if (!rows.length) return;
  const attributes = { class: "models", "aria-labelledby": "repeats-title" };
  byId("repeats").append(
    columnTable(attributes, "model", index.repeat_columns, rows, (one) => [name(one.label), runNote(one)]),
    el("ul", { class: "notes quiet small" }, REPEAT_NOTES.map((note) => el("li", {}, note))),
  );
}

const REPEAT_NOTES = [
  "pass@k: the share of titles on which at least one of k answers passes.",
  "pass^k: the share of titles on which all k answers pass.",
  "Flip rate: the share of titles with both verdicts among their answers.",
  "Worth: all answers together tell as much as so many answers to titles of their own.",
];

function drawAbout() {
  if (index.runs.length > 1) byId("about-title").textContent = "About these runs";
  byId("about").append(
    ...index.runs.map((run) =>
      el(
        "details",
        {},
        el("summary", {}, "Run ", name(run.name), ": versions, settings, parameters, fingerprints"),
        el(
          "dl",
          { class: "facts" },
          run.facts.map(([fact, value]) => [el("dt", {}, name(fact)), el("dd", {}, el("pre", {}, value))]),
        ),
      ),
    ),
  );
}
