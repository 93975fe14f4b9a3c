// What went wrong and how fast it went, drawn; the numbers of each figure stand in a table.

const BINS = 32;

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
    stackedBars(rows),
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

// A bar a model, of its categories; the table below it says the same in numbers.
const MOST_SEGMENTS = 8;

function stackedBars(rows) {
  const totals = index.contenders.map((_, contender) => rows.reduce((sum, { counts }) => sum + counts[contender], 0));
  const most = Math.max(...totals, 1);
  const shownRows = rows.slice(0, MOST_SEGMENTS);
  const bars = index.contenders.map((_, contender) => {
    const segments = shownRows.map(({ category, counts }, position) => segment(category, counts[contender], position));
    const other = totals[contender] - shownRows.reduce((sum, { counts }) => sum + counts[contender], 0);
    return el(
      "div",
      { class: "stack-row" },
      el("span", { class: "clip" }, name(contenderLabel(contender))),
      el("span", { class: "stack" }, segments, segment("others", other, MOST_SEGMENTS)),
      el("span", { class: "figure quiet" }, number(totals[contender])),
    );
  });
  return el("div", { class: "stacks", "aria-hidden": "true" }, bars);

  function segment(category, count, position) {
    if (!count) return null;
    const part = el("span", { class: `segment s${position}`, title: visible(`${category}: ${number(count)}`) }, category);
    return placed(part, { width: `${(count / most) * 100}%` });
  }
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

function quantile(sortedValues, share) {
  return sortedValues[Math.floor((sortedValues.length - 1) * share)];
}

// Where the scale ends: a few outliers must not press all others into the first bin (Tukey's far fence).
function robustEnd(known) {
  const [low, high] = [quantile(known, 0.25), quantile(known, 0.75)];
  return Math.max(Math.min(quantile(known, 0.99), high + 3 * (high - low)), high);
}

// The numbers behind a figure, for readers of tables and of screens.
function quantileTable(title, values) {
  const shares = [
    ["least", 0],
    ["25 %", 0.25],
    ["median", 0.5],
    ["75 %", 0.75],
    ["95 %", 0.95],
    ["most", 1],
  ];
  const head = ["model", "answers", ...shares.map(([label]) => label)];
  const rows = index.contenders.map((_, contender) => {
    const own = values.filter((value, entry) => value !== null && contenderOf(entry) === contender);
    own.sort((one, other) => one - other);
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name(contenderLabel(contender))),
      el("td", { class: "figure" }, number(own.length)),
      shares.map(([, share]) =>
        el("td", { class: "figure" }, own.length ? axisNumber(quantile(own, share)) : "-"),
      ),
    );
  });
  return details(
    "As a table",
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, head.map((label) => el("th", { scope: "col" }, label)))),
        el("tbody", {}, rows),
      ),
    ),
  ); // prettier-ignore
}

// One histogram a model over one scale; what lies beyond its end is in the last bin.
function distributions(title, values, notes) {
  const known = values.filter((value) => value !== null).sort((one, other) => one - other);
  const figure = el("figure", { class: "distribution" }, el("figcaption", {}, title));
  if (!known.length) {
    figure.append(el("p", { class: "quiet" }, "No answer arrived that could be timed."));
    return figure;
  }
  const most = niceCeiling(robustEnd(known));
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
  figure.append(quantileTable(title, values));
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
