// What a cell of the matrix shows: the verdict, the chosen numbers, and the first words of the reply.

const MOST_SIDE_BY_SIDE = 12;

/** @param {number[]} group */
function cell(group) {
  if (!group.length) return el("div", { role: "cell", class: "m-cell" }, el("span", { class: "quiet" }, "not asked"));
  const worst = [...group].sort((one, other) => fitRank(one) - fitRank(other) || rank(one) - rank(other))[0];
  const dim = group.some((entry) => shown.fitting.has(entry)) ? "" : "dim";
  return el(
    "div",
    { role: "cell", class: `m-cell ${dim}`, "data-entry": worst },
    el("div", { class: "m-verdict" }, group.length === 1 ? oneAnswer(worst) : severalAnswers(group, worst), facts(worst)),
    view.rows === "chips" ? null : el("div", { class: "m-said", dir: "auto" }),
  ); // prettier-ignore

  /** @param {number} entry */
  function facts(entry) {
    if (!view.facts.length) return null;
    const told = view.facts.map((key) => {
      const value = FACTS[key].of(entry);
      return isMissing(value) ? "-" : `${number(Number(value.toFixed(FACTS[key].digits)))} ${FACTS[key].label}`;
    });
    return el("span", { class: "quiet small clip" }, told.join(" · "));
  }
}

/** @param {number} entry */
function fitRank(entry) {
  return shown.fitting.has(entry) ? 0 : 1;
}

/** @param {number} entry */
function rank(entry) {
  return ["failed", "error", "not_run", "skipped", "not_needed", "passed"].indexOf(outcomeOf(entry));
}

/** @param {number} entry */
function oneAnswer(entry) {
  const outcome = outcomeOf(entry);
  const words = categoryWords(entries.category[entry]);
  return el(
    "a",
    { class: `answer ${outcome}`, href: linkTo([entry]), title: visible(words) },
    el("span", { class: "sign", "aria-hidden": "true" }, OUTCOMES[outcome].sign),
    el("span", { class: "clip" }, words),
    el("span", { class: "unseen" }, `: ${OUTCOMES[outcome].words}`),
  );
}

/**
 * Repeats, or several tests of one case: how many passed, what went wrong, and a dot for each.
 * @param {number[]} group
 * @param {number} worst
 */
function severalAnswers(group, worst) {
  const passed = group.filter((entry) => outcomeOf(entry) === "passed").length;
  const outcome = passed === group.length ? "passed" : outcomeOf(worst);
  const bad = new Set(
    group.filter((entry) => outcomeOf(entry) !== "passed").map((entry) => categoryWords(entries.category[entry])),
  );
  const words = `${passed} of ${group.length} passed${bad.size ? `: ${[...bad].join(", ")}` : ""}`;
  return [
    el(
      "a",
      { class: `answer ${outcome}`, href: linkTo([worst]), title: visible(words) },
      el("span", { class: "sign", "aria-hidden": "true" }, OUTCOMES[outcome].sign),
      el("span", { class: "clip" }, `${passed}/${group.length}`, bad.size ? ` ${[...bad].join(", ")}` : ""),
      el("span", { class: "unseen" }, ` of repeats passed`),
    ),
    el(
      "span",
      { class: "dots" },
      group.map((entry) => {
        const label = `repeat ${entries.repeat[entry]}: ${categoryWords(entries.category[entry])}`;
        const dim = shown.fitting.has(entry) ? "" : "dim";
        return el("a", {
          class: `dot ${outcomeOf(entry)} ${dim}`,
          href: linkTo([entry]),
          tabindex: "-1",
          title: visible(label),
          "aria-label": visible(label),
        });
      }),
    ),
  ];
}

/**
 * The answers that a click on a title opens: all of them, or where these are too many, one of each column.
 * @param {number[]} group
 */
function sideBySide(group) {
  if (group.length <= MOST_SIDE_BY_SIDE && !repeatsDiffer) return group;
  const ofColumn = new Map();
  for (const entry of group) {
    const before = ofColumn.get(entries.column[entry]);
    if (before === undefined || fitRank(entry) < fitRank(before)) ofColumn.set(entries.column[entry], entry);
  }
  const repeats = ofColumn.size === 1 ? group : [...ofColumn.values()];
  return repeats.slice(0, MOST_SIDE_BY_SIDE);
}

/**
 * The words of the replies come when their chunk is unpacked; a row that has left the page by then is left alone.
 * @param {HTMLElement} node
 */
async function fillRow(node) {
  if (view.rows === "chips" || !canUnpack) return;
  /** @type {NodeListOf<HTMLElement>} */
  const places = node.querySelectorAll("[data-entry]");
  for (const place of places) {
    const entry = Number(place.dataset.entry);
    const payload = await payloadOf(entry);
    if (!node.isConnected) return;
    const said = place.querySelector(".m-said");
    if (said) said.replaceChildren(...textNodes(payload === null ? "" : wordsOf(payload.exchange, entry)));
  }
}

/**
 * @param {Exchange | null} exchange
 * @param {number} entry
 */
function wordsOf(exchange, entry) {
  if (!exchange) return "";
  if (exchange.fault) return exchange.fault[1].slice(0, 400);
  const content = wholeText(exchange.content);
  return briefOf(content, index.titles[entries.title[entry]][1], view.fields) || "(empty)";
}
