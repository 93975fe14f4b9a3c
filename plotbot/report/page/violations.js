// The heat map: in how many answers a field breaks a keyword, of all models or of one.

function drawViolations() {
  if (!index.places.length) return;
  byId("violations-section").hidden = false;
  const target = el("div", {
    class: "scroll",
    tabindex: "0",
    role: "region",
    "aria-label": "Schema violations by field and keyword",
  });
  if (index.contenders.length > 1)
    byId("violations").append(contenderChoice((contender) => drawHeat(target, contender)));
  byId("violations").append(
    target,
    el(
      "p",
      { class: "quiet small" },
      "In how many answers a field breaks a keyword of the schema. A number shows its answers.",
    ),
  );
  drawHeat(target, null);
}

/** @param {(contender: number | null) => void} changed */
function contenderChoice(changed) {
  /** @type {HTMLSelectElement} */
  const select = el(
    "select",
    { change: () => changed(select.value === "" ? null : Number(select.value)) },
    el("option", { value: "" }, "all models"),
    index.contenders.map((_, contender) => el("option", { value: contender }, visible(contenderLabel(contender)))),
  );
  return el("label", { class: "choice" }, "Violations of ", select);
}

/** @param {number | null} contender */
function heatCounts(contender) {
  const counts = index.places.map(() => 0);
  for (const [entry, places] of Object.entries(entries.broken)) {
    if (contender !== null && contenderOf(Number(entry)) !== contender) continue;
    for (const place of places) counts[place] += 1;
  }
  return counts;
}

/**
 * Rows and columns by their sums over all models, so that they keep their places when another model is chosen.
 * @param {0 | 1} position
 */
function ranked(position) {
  const sums = new Map();
  heatCounts(null).forEach((count, place) => {
    const key = index.places[place][position];
    sums.set(key, (sums.get(key) || 0) + count);
  });
  return [...sums].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1)).map(([key]) => key);
}

/**
 * @param {HTMLElement} target
 * @param {number | null} contender
 */
function drawHeat(target, contender) {
  const counts = heatCounts(contender);
  const most = Math.max(...counts, 1);
  const fields = ranked(0);
  const keywords = ranked(1);
  const placeOf = new Map(index.places.map(([field, keyword], place) => [JSON.stringify([field, keyword]), place]));
  /**
   * @param {string} field
   * @param {string} keyword
   */
  const cell = (field, keyword) => {
    const place = placeOf.get(JSON.stringify([field, keyword]));
    if (place === undefined || !counts[place]) return el("td", { class: "zero" }, "·");
    return heatCell(counts[place], most, place, contender);
  };
  target.replaceChildren(
    el(
      "table",
      { class: "heat", "aria-labelledby": "violations-title" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "col" }, "field"),
          keywords.map((keyword) => el("th", { scope: "col" }, name(keyword))),
        ),
      ),
      el(
        "tbody",
        {},
        fields.map((field) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, name(field)),
            keywords.map((keyword) => cell(field, keyword)),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {number} place
 * @param {number | null} contender
 */
function placeQuery(place, contender) {
  const [field, keyword] = index.places[place];
  const ofModel = contender === null ? "" : contenderQuery(contender);
  return withTerm(withTerm(ofModel, "keyword", [keyword], "="), "path", [field], "=");
}

/**
 * @param {number} count
 * @param {number} most
 * @param {number} place
 * @param {number | null} contender
 */
function heatCell(count, most, place, contender) {
  const [field, keyword] = index.places[place];
  const label = `${plural(count, "answer breaks", "answers break")} ${visible(keyword)} of ${visible(field)}`;
  const strength = Math.sqrt(count / most);
  const button = el(
    "button",
    { type: "button", "aria-label": label, title: label, click: () => showOnly(placeQuery(place, contender)) },
    number(count),
  );
  if (strength > 0.6) button.classList.add("strong-heat");
  return el("td", {}, placed(button, { "--heat": `${Math.round(12 + strength * 88)}%` }));
}
