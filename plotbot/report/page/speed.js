// How fast it went, drawn; the numbers of each figure stand in a table.

const BINS = 32;

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

/** @type {Record<string, string>} */
const SOURCES = { server: "as the server tells", measured: "measured, waiting included", mixed: "told and measured" };

/**
 * @param {number[]} sortedValues
 * @param {number} share
 */
function quantile(sortedValues, share) {
  return sortedValues[Math.floor((sortedValues.length - 1) * share)];
}

/**
 * Where the scale ends: a few outliers must not press all others into the first bin (Tukey's far fence).
 * @param {number[]} known
 */
function robustEnd(known) {
  const [low, high] = [quantile(known, 0.25), quantile(known, 0.75)];
  return Math.max(Math.min(quantile(known, 0.99), high + 3 * (high - low)), high);
}

/**
 * The numbers behind a figure, for readers of tables and of screens.
 * @param {string} title
 * @param {(number | null)[]} values
 */
function quantileTable(title, values) {
  /** @type {[label: string, share: number][]} */
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
    const own = values.flatMap((value, entry) => (value !== null && contenderOf(entry) === contender ? [value] : []));
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

/**
 * One histogram a model over one scale; what lies beyond its end is in the last bin.
 * @param {string} title
 * @param {(number | null)[]} values
 * @param {string[]} notes
 */
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

/**
 * @param {(number | null)[]} values
 * @param {number} contender
 * @param {number} most
 */
function histogram(values, contender, most) {
  const counts = new Array(BINS).fill(0);
  values.forEach((value, entry) => {
    if (value === null || contenderOf(entry) !== contender) return;
    counts[Math.min(Math.floor((value / most) * BINS), BINS - 1)] += 1;
  });
  return counts;
}

/** @param {number[]} counts */
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

/**
 * The next of 1, 2, 2.5, 4, 5, 8 × a power of ten: an axis that ends on a number people read.
 * @param {number} value
 */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * ([1, 2, 2.5, 4, 5, 8, 10].find((step) => value <= step * power * 1.0001) || 10);
}

/** @param {number} value */
function axisNumber(value) {
  return value >= 100 ? number(Math.round(value)) : String(Number(value.toPrecision(3)));
}
