// All runs: a line for each row of the reports, and a table of the runs.

/** @type {HistoryIndex} */
const index = JSON.parse(byId("index").textContent);
const WIDTH = 1000;
const LEFT = 40;
const TOP = 34;
const HEIGHT = 120;
const LEAST_APART = 64;

/**
 * @param {number} position
 * @param {number} count
 */
function xOf(position, count) {
  return LEFT + ((position + 0.5) / count) * (WIDTH - LEFT);
}

/** @param {number} rate */
function yOf(rate) {
  return TOP + (1 - rate) * HEIGHT;
}

/** @param {HistoryRun} run */
function when(run) {
  const moment = new Date(run.started);
  return Number.isNaN(moment.getTime()) ? run.id : moment.toISOString().slice(0, 16).replace("T", " ");
}

/** @param {HistoryRun} run */
function runTitle(run) {
  return run.note ? `${when(run)} '${run.note}'` : when(run);
}

/** @param {HistoryPoint} point */
function pointTitle(point) {
  const run = index.runs[point.run];
  const changed = point.changes.length ? `; changed: ${point.changes.join(", ")}` : "";
  return visible(`${runTitle(run)}: ${point.shown}, ${point.passed} of ${point.rated}${changed}`);
}

/**
 * @param {HistoryRun} run
 * @param {SVGElement} node
 */
function linked(run, node) {
  return run.link ? svg("a", { href: run.link, "aria-label": visible(runTitle(run)) }, node) : node;
}

function grid() {
  return [0, 0.5, 1].flatMap((rate) => [
    svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: yOf(rate), y2: yOf(rate) }),
    svg("text", { x: LEFT - 6, y: yOf(rate) + 4, "text-anchor": "end" }, `${rate * 100}%`),
  ]);
}

/**
 * Where something was changed: a dashed line, with words where there is room for them.
 * @param {HistoryPoint[]} points
 */
function changes(points) {
  let last = -Infinity;
  return points.flatMap((point, position) => {
    const what = point.changes.filter((word) => word !== "titles");
    if (!what.length) return [];
    const x = xOf(position - 0.5, points.length);
    /** @type {SVGElement[]} */
    const nodes = [
      svg("line", { class: "change", x1: x, x2: x, y1: TOP - 6, y2: yOf(0) }, svg("title", {}, pointTitle(point))),
    ];
    if (x - last >= LEAST_APART) {
      nodes.push(svg("text", { class: "what", x, y: TOP - 12, "text-anchor": "middle" }, what.join(", ")));
      last = x;
    }
    return nodes;
  });
}

/** @param {HistoryPoint[]} points */
function dots(points) {
  return points.flatMap((point, position) => {
    if (point.rate === null) return [];
    const x = xOf(position, points.length);
    const other = point.changes.includes("titles") ? " other" : "";
    const dot = svg(
      "circle",
      { class: `dot${other}`, cx: x, cy: yOf(point.rate), r: points.length > 100 ? 2.5 : 4 },
      svg("title", {}, pointTitle(point)),
    );
    const node = linked(index.runs[point.run], dot);
    // A sequential gate that waits has a rate without an interval.
    if (point.interval === null) return [node];
    const [low, high] = point.interval;
    return [svg("line", { class: "interval", x1: x, x2: x, y1: yOf(low), y2: yOf(high) }), node];
  });
}

/** @param {HistorySeries} series */
function drawLine(series) {
  const { points } = series;
  const rated = points.flatMap((point, position) =>
    point.rate === null ? [] : [`${xOf(position, points.length)},${yOf(point.rate)}`],
  );
  const last = points.findLast((point) => point.rate !== null);
  const ends = [points[0], points[points.length - 1]].map((point) => when(index.runs[point.run]));
  return el(
    "figure",
    { class: "line" },
    el(
      "figcaption",
      {},
      name(series.label),
      el("span", { class: "quiet" }, last ? ` last ${last.shown}, ${plural(points.length, "run", "runs")}` : ""),
    ),
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${TOP + HEIGHT + 26}`, role: "group" },
      svg("title", {}, visible(`Pass rate of ${series.label} over ${plural(points.length, "run", "runs")}`)),
      grid(),
      changes(points),
      svg("polyline", { class: "rates", points: rated.join(" ") }),
      dots(points),
      svg("text", { x: LEFT, y: yOf(0) + 18 }, ends[0]),
      points.length > 1 ? svg("text", { x: WIDTH, y: yOf(0) + 18, "text-anchor": "end" }, ends[1]) : null,
    ),
  );
}

/** @param {number} number */
function rowsOf(number) {
  return index.series.flatMap((series) =>
    series.points.filter((point) => point.run === number).map((point) => ({ series, point })),
  );
}

/** @param {{series: HistorySeries, point: HistoryPoint}} row */
function rateCell({ series, point }) {
  const changed = point.changes.length
    ? el("span", { class: "changed small" }, ` changed: ${point.changes.join(", ")}`)
    : null;
  return el(
    "div",
    {},
    name(series.label),
    ` ${point.shown} `,
    el("span", { class: "quiet small" }, `${point.passed} of ${point.rated}`),
    changed,
  );
}

/**
 * @param {HistoryRun} run
 * @param {number} number
 */
function runRow(run, number) {
  const shown = run.note ? name(run.note) : el("span", { class: "quiet" }, run.id);
  const rows = rowsOf(number);
  return el(
    "tr",
    {},
    el("td", {}, when(run)),
    el("th", { scope: "row" }, run.link ? el("a", { href: run.link, title: run.id }, shown) : shown),
    el("td", {}, rows.length ? rows.map(rateCell) : el("span", { class: "quiet" }, "it did not come to its end")),
  );
}

function draw() {
  byId("headline").textContent = plural(index.runs.length, "run", "runs");
  const more = index.left_out ? `, and ${plural(index.left_out, "older one", "older ones")} left out` : "";
  byId("origin").append(...textNodes(`Made ${index.made_at}${more}. Times are UTC.`));
  // What was run last is looked for first.
  /** @param {HistorySeries} series */
  const latest = (series) => series.points[series.points.length - 1].run;
  const ordered = [...index.series].sort((one, other) => latest(other) - latest(one));
  byId("lines").append(...ordered.map(drawLine));
  // On a narrow screen a figure is wider than the page.
  for (const line of byId("lines").children) line.scrollLeft = line.scrollWidth;
  if (!ordered.length) byId("lines").append(el("p", { class: "quiet" }, "No run has come to its end yet."));
  const heads = ["started", "run", "pass rate, and what changed since the run before of its name"];
  byId("runs").append(
    el(
      "table",
      { "aria-labelledby": "runs-title" },
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, index.runs.map(runRow).reverse()),
    ),
  );
}

draw();
