// How each sequential gate came to its verdict: the pass rate at every look, between the bounds that would decide.

const GATE = { width: 600, height: 170, left: 44, right: 12, top: 12, bottom: 26 };

function drawGates() {
  const sequential = index.contenders.filter(hasLooked);
  byId("gates-section").hidden = !sequential.length;
  if (sequential.length > 1) byId("gates-title").textContent = "How the gates decided";
  for (const one of sequential) byId("gates").append(gateFigure(one));
}

/**
 * @param {Contender} one
 * @returns {one is Sequential}
 */
function hasLooked(one) {
  return one.course !== null;
}

/** @param {Sequential} one */
function gateFigure(one) {
  const { zone, looks } = one.course;
  const [verdict, threshold] = one.gate;
  const band = zone ? "The band is where a look leaves it open." : "The bars are the interval at each look.";
  const told = `${verdict} after ${number(looks[looks.length - 1][0])} of ${plural(one.course.planned, "title", "titles")}. ${band}`;
  const dashes = ` The dashed line is the threshold, ${shareText(threshold)}.`;
  return el(
    "figure",
    { class: "gate-course" },
    el("figcaption", {}, name(contenderLabel(index.contenders.indexOf(one))), ": ", told, dashes),
    gateChart(one.course, threshold),
    details("The looks as a table", gateTable(one)),
  );
}

/**
 * The part of the scale on which everything lies.
 * @param {Look[]} looks
 * @param {number} threshold
 * @returns {Bounds}
 */
function gateScale(looks, threshold) {
  const shares = looks.flatMap(([, rate, low, high]) => [rate, low, high]).filter((share) => share !== null);
  const least = Math.max(Math.floor((Math.min(...shares, threshold) - 0.02) * 10) / 10, 0);
  const most = Math.min(Math.ceil((Math.max(...shares, threshold) + 0.02) * 10) / 10, 1);
  return [least, most];
}

/**
 * @param {Course} course
 * @param {number} threshold
 */
function gateChart({ planned, zone, looks }, threshold) {
  const [least, most] = gateScale(looks, threshold);
  const right = GATE.width - GATE.right;
  const bottom = GATE.height - GATE.bottom;
  /** @param {number} titles */
  const x = (titles) => GATE.left + (titles / planned) * (right - GATE.left);
  /** @param {number} share */
  const y = (share) => bottom - ((Math.min(Math.max(share, least), most) - least) / (most - least)) * (bottom - GATE.top);
  const rated = looks.flatMap(([titles, rate]) => (rate === null ? [] : [{ cx: x(titles), cy: y(rate) }]));
  const points = rated.map(({ cx, cy }) => `${cx},${cy}`).join(" ");
  return svg(
    "svg",
    { viewBox: `0 0 ${GATE.width} ${GATE.height}`, "aria-hidden": "true" },
    zone ? openBand() : looks.map((look) => vertical("interval", look)),
    [least, most].map((share) => [
      svg("line", { class: "grid", x1: GATE.left, x2: right, y1: y(share), y2: y(share) }),
      svg("text", { x: GATE.left - 6, y: y(share) + 4, "text-anchor": "end" }, shareText(share)),
    ]),
    svg("line", { class: "threshold", x1: GATE.left, x2: right, y1: y(threshold), y2: y(threshold) }),
    svg("polyline", { class: "rates", points }),
    rated.map((at) => svg("circle", { class: "dot", ...at, r: 3.5 })),
    [looks[0][0], planned].map((titles, position) =>
      svg("text", { x: x(titles), y: GATE.height - 8, "text-anchor": position ? "end" : "middle" }, number(titles)),
    ),
  );

  function openBand() {
    const above = looks.map(([titles, , , high]) => `${x(titles)},${y(high ?? most)}`);
    const below = looks.map(([titles, , low]) => `${x(titles)},${y(low ?? least)}`);
    return [
      svg("polygon", { class: "open", points: [...above, ...below.reverse()].join(" ") }),
      looks.map((look) => vertical("bounds", look)),
    ];
  }

  /**
   * @param {string} kind
   * @param {Look} look
   */
  function vertical(kind, [titles, , low, high]) {
    return svg("line", { class: kind, x1: x(titles), x2: x(titles), y1: y(low ?? least), y2: y(high ?? most) });
  }
}

/** @param {Sequential} one */
function gateTable(one) {
  const { heads, rows } = one.course;
  const label = `Looks of the gate of ${visible(one.label)}`;
  const head = heads.map((text) => el("th", { scope: "col", class: "figure" }, text));
  const body = rows.map(([titles, ...cells]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", class: "figure" }, titles),
      cells.map((cell) => el("td", { class: "figure" }, cell)),
    ),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    el("table", { "aria-label": label }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)),
  );
}

/** @param {number} share */
function shareText(share) {
  return `${Math.round(share * 1000) / 10} %`;
}
