// What went wrong, drawn; the numbers of the figure stand in a table.

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

/** @param {FailureRow[]} rows */
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

  /**
   * @param {string} category
   * @param {number} count
   * @param {number} position
   */
  function segment(category, count, position) {
    if (!count) return null;
    const part = el("span", { class: `segment s${position}`, title: visible(`${category}: ${number(count)}`) }, category);
    return placed(part, { width: `${(count / most) * 100}%` });
  }
}

/** @returns {FailureRow[]} */
function categoryRows() {
  /** @type {("failures" | "errors")[]} */
  const kinds = ["failures", "errors"];
  /** @type {FailureRow[]} */
  const rows = kinds.flatMap((kind) => {
    const names = new Set(index.contenders.flatMap((one) => Object.keys(one[kind])));
    return [...names].map((category) => ({
      outcome: kind === "failures" ? "failed" : "error",
      category,
      counts: index.contenders.map((one) => one[kind][category] || 0),
    }));
  });
  /** @param {FailureRow} row */
  const sum = (row) => row.counts.reduce((total, count) => total + count, 0);
  return rows.sort(
    (one, other) =>
      other.outcome.localeCompare(one.outcome) || sum(other) - sum(one) || (one.category < other.category ? -1 : 1),
  );
}

/**
 * @param {number} count
 * @param {number} most
 * @param {Outcome} outcome
 */
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
