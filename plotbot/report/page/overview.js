// The upper half: the answers in words, and the models side by side.

const BINS = 32;

function sentence(parts) {
  return el(
    "p",
    {},
    parts.map((part) => (typeof part === "string" ? part : name(part.name))),
  );
}

function card(question, sentences, className) {
  return el("div", { class: `card ${className || ""}` }, el("h2", {}, question), sentences.map(sentence));
}

function drawWords() {
  const { best, fails, missing, mixed, gates } = index.words;
  const one = index.contenders.length === 1;
  byId("short").append(
    card(one ? "How good is the model?" : "Which model is best?", best),
    card("What fails most?", fails),
  );
  if (mixed.length) byId("short").append(card("Is it one model?", mixed, "alert mixed"));
  if (missing.length) byId("short").append(card("What is missing?", missing, "alert"));
  if (gates.length)
    byId("short").append(card(gates.length === 1 ? "Does the gate hold?" : "Do the gates hold?", gates));
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

// Rate and interval on a scale from 0 to 100 %.
function ratePlot(one) {
  const plot = el("span", { class: "rate", "aria-hidden": "true" });
  if (one.rate === null) return plot;
  const [low, high] = one.interval;
  plot.append(placed(el("span", { class: "interval" }), { left: `${low * 100}%`, width: `${(high - low) * 100}%` }));
  plot.append(placed(el("span", { class: "point" }), { left: `${one.rate * 100}%` }));
  if (one.gate) plot.append(placed(el("span", { class: "threshold" }), { left: `${one.gate[1] * 100}%` }));
  return plot;
}

function plotCell(one) {
  const range = one.rate === null ? "nothing rated" : `${one.interval_words} %`;
  return el("td", { class: "plot" }, ratePlot(one), el("span", { class: "quiet small range" }, range));
}

// The pass rate over hosts that served different models is the rate of none of them.
function mixedTag(one) {
  return one.mixed ? el("span", { class: "tag", title: "Its hosts served different models" }, "mixed") : null;
}

// How a table shows a value, by the kind of its column.
const CELLS = {
  rate: (value, label, one) => el("td", { class: "figure strong", "data-label": label }, value, mixedTag(one)),
  interval: (value, label, one) => plotCell(one),
  count: (value, label) => el("td", { class: `figure ${value ? "" : "zero"}`, "data-label": label }, number(value)),
  figure: (value, label) => el("td", { class: "figure", "data-label": label }, value),
  faults: (value, label) =>
    el("td", { class: value.length ? null : "zero", "data-label": label }, failedAttempts(value)),
  text: (value, label) => el("td", { "data-label": label }, value),
};
const FIGURES = ["rate", "count", "figure"];

// A table whose columns the index names; head makes the first cell of a row.
function columnTable(attributes, first, columns, rows, head) {
  const heads = columns.map(([label, kind]) =>
    el("th", { scope: "col", class: FIGURES.includes(kind) ? "figure" : null }, label),
  );
  const body = rows.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, head(one)),
      columns.map(([label, kind], column) => CELLS[kind](one.cells[column], label, one)),
    ),
  );
  const headRow = el("tr", {}, el("th", { scope: "col" }, first), heads);
  return el("table", attributes, el("thead", {}, headRow), el("tbody", {}, body));
}

function runNote(one) {
  return one.run ? el("span", { class: "quiet small" }, " run ", name(one.run)) : null;
}

function drawModels() {
  byId("models").append(
    columnTable(
      { class: "models", "aria-labelledby": "models-title" },
      "model",
      index.model_columns,
      index.contenders,
      (one) => [name(one.label), runNote(one)],
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

// Categories × models, the most frequent first: a bar for each count, on one scale.
function drawFailures() {
  const rows = categoryRows();
  if (!rows.length) {
    byId("failures").append(el("p", { class: "quiet" }, "Nothing: no answer failed and no error came up."));
    return;
  }
  const most = Math.max(...rows.flatMap((row) => row.counts));
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "category"),
    index.contenders.map((_, contender) => el("th", { scope: "col" }, name(contenderLabel(contender)))),
  );
  const body = rows.map(({ outcome, category, counts }) =>
    el(
      "tr",
      {},
      el(
        "th",
        { scope: "row" },
        el(
          "button",
          {
            type: "button",
            class: `link ${outcome}`,
            title: "Show these answers",
            click: () => showOnly(categoryQuery(`${outcome}:${category}`)),
          },
          `${OUTCOMES[outcome].sign} `,
          name(category),
        ),
        outcome === "error" ? el("span", { class: "quiet small" }, " error") : null,
      ),
      counts.map((count) => el("td", {}, bar(count, most, outcome))),
    ),
  );
  byId("failures").append(
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Failures by category and model" },
      placed(
        el(
          "table",
          { class: "bars", "aria-labelledby": "failures-title" },
          el("thead", {}, head),
          el("tbody", {}, body),
        ),
        { "--models": String(index.contenders.length) },
      ),
    ),
  );
}

function categoryRows() {
  const rows = ["failures", "errors"].flatMap((kind) => {
    const names = new Set(index.contenders.flatMap((one) => Object.keys(one[kind])));
    return [...names].map((category) => ({
      outcome: kind === "failures" ? "failed" : "error",
      category,
      counts: index.contenders.map((one) => one[kind][category] || 0),
    }));
  });
  const sum = (row) => row.counts.reduce((total, count) => total + count, 0);
  return rows.sort(
    (one, other) =>
      other.outcome.localeCompare(one.outcome) || sum(other) - sum(one) || (one.category < other.category ? -1 : 1),
  );
}

function bar(count, most, outcome) {
  return el(
    "span",
    { class: "barcell" },
    el("span", { class: `count ${count ? "" : "zero"}` }, number(count)),
    el(
      "span",
      { class: "track", "aria-hidden": "true" },
      placed(el("span", { class: `bar ${outcome}` }), { width: `${(count / most) * 100}%` }),
    ),
  );
}

function drawSpeed() {
  const seconds = index.contenders.map((one) => `median ${one.seconds[0]} s · 95 % within ${one.seconds[1]} s`);
  const speeds = index.contenders.map((one) =>
    one.speed ? `median ${one.speed[0].toFixed(1)} · ${SOURCES[one.speed[1]] || one.speed[1]}` : "not known",
  );
  byId("speed").append(
    distributions("Seconds for an answer", entries.seconds, seconds),
    distributions("Tokens per second", entries.speed, speeds),
  );
}

const SOURCES = { server: "as the server tells", measured: "measured, waiting included", mixed: "told and measured" };

// One histogram a model over one scale; what lies beyond the 99th percentile of all is in the last bin.
function distributions(title, values, notes) {
  const known = values.filter((value) => value !== null).sort((one, other) => one - other);
  const figure = el("figure", { class: "distribution" }, el("figcaption", {}, title));
  if (!known.length) {
    figure.append(el("p", { class: "quiet" }, "No answer arrived that could be timed."));
    return figure;
  }
  const most = niceCeiling(known[Math.floor((known.length - 1) * 0.99)]);
  const bins = index.contenders.map((_, contender) => histogram(values, contender, most));
  bins.forEach((counts, contender) =>
    figure.append(
      el(
        "div",
        { class: "ridge" },
        el(
          "div",
          { class: "ridge-head" },
          name(contenderLabel(contender)),
          el("span", { class: "quiet small" }, notes[contender]),
        ),
        histogramPlot(counts),
      ),
    ),
  );
  const longest = known[known.length - 1];
  figure.append(
    el(
      "div",
      { class: "axis quiet small", "aria-hidden": "true" },
      el("span", {}, "0"),
      el("span", {}, axisNumber(most / 2)),
      el("span", {}, axisNumber(most)),
    ),
  );
  if (longest > most)
    figure.append(
      el("p", { class: "quiet small" }, `The last bar holds what lies beyond too, up to ${axisNumber(longest)}.`),
    );
  return figure;
}

function histogram(values, contender, most) {
  const counts = new Array(BINS).fill(0);
  values.forEach((value, entry) => {
    if (value === null || contenderOf(entry) !== contender) return;
    counts[Math.min(Math.floor((value / most) * BINS), BINS - 1)] += 1;
  });
  return counts;
}

function histogramPlot(counts) {
  const most = Math.max(...counts, 1);
  const plot = svg("svg", {
    viewBox: `0 0 ${BINS} 10`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
    class: "histogram",
  });
  counts.forEach((count, bin) => {
    const height = count ? Math.max((count / most) * 10, 0.4) : 0;
    plot.append(svg("rect", { x: bin + 0.06, y: 10 - height, width: 0.88, height }));
  });
  return plot;
}

// The next of 1, 2, 2.5, 4, 5, 8 × a power of ten: an axis that ends on a number people read.
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * ([1, 2, 2.5, 4, 5, 8, 10].find((step) => value <= step * power * 1.0001) || 10);
}

function axisNumber(value) {
  return value >= 100 ? number(Math.round(value)) : String(Number(value.toPrecision(3)));
}

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
