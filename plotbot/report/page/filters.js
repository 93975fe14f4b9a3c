// Which titles and columns the matrix shows. The query of the search field says it all: a choice writes a term into it.

/** @type {{titles: number[], columns: number[], fitting: Set<number>}} */
let shown = { titles: [], columns: [], fitting: new Set() };

/** @param {unknown} text */
const lower = (text) => String(text ?? "").toLowerCase();
const BAD = ["failed", "error", "not_run"];

// One lower-case text a title, made once: a search looks through ten thousand of them at every key.
const searchable = index.titles.map(([id, text, fields]) => lower(`${text}\n${id}\n${fields ?? ""}`));
const CONTENDER_FACTS = index.contenders.map(({ model, variant, label, run }) => ({
  model: [lower(model), lower(label)],
  variant: lower(variant),
  run: lower(run) || index.runs.map((one) => lower(one.name)),
}));
/** @type {Record<string, string>[]} */
const PLACE_FACTS = index.places.map(([field, keyword]) => ({ path: lower(field), keyword: lower(keyword) }));
const CATEGORY_FACTS = index.categories.map(([outcome, category]) => ({
  status: [outcome, lower(OUTCOMES[outcome].words), ...(BAD.includes(outcome) ? ["bad"] : [])],
  category: lower(category),
}));

/**
 * What is known of an entry, by the key of a term; texts in lower case.
 * @type {Record<string, (entry: number) => Fact | Fact[]>}
 */
const FACT_OF = {
  status: (entry) => CATEGORY_FACTS[entries.category[entry]].status,
  category: (entry) => CATEGORY_FACTS[entries.category[entry]].category,
  model: (entry) => CONTENDER_FACTS[contenderOf(entry)].model,
  variant: (entry) => CONTENDER_FACTS[contenderOf(entry)].variant,
  run: (entry) => CONTENDER_FACTS[contenderOf(entry)].run,
  format: (entry) => lower(index.columns[entries.column[entry]][1]),
  prompt: (entry) => lower(index.columns[entries.column[entry]][2]),
  title: (entry) => lower(index.titles[entries.title[entry]][1]),
  id: (entry) => lower(index.titles[entries.title[entry]][0]),
  group: (entry) => lower(index.titles[entries.title[entry]][2]),
  repeat: (entry) => entries.repeat[entry],
  is: (entry) => (replacedBy(entry) === undefined ? null : "replaced"),
  reply: (entry) => SAID.text[entry],
  message: (entry) => SAID.message[entry],
  host: (entry) => lower(SAID.host[entry]),
  ...Object.fromEntries(Object.entries(FACTS).map(([key, { of }]) => [key, of])),
};
const NEEDS_TEXTS = [WORD, "reply", "message", "host", "tokens", "attempts", "length"];

/**
 * @param {number} entry
 * @returns {number | undefined}
 */
function replacedBy(entry) {
  return entries.replaced[entry];
}

/**
 * @param {Term} term
 * @param {number} entry
 */
function wordHolds(term, entry) {
  const found = term.values.some(
    (value) =>
      searchable[entries.title[entry]].includes(value) ||
      (SAID.text[entry] || "").includes(value) ||
      (SAID.message[entry] || "").includes(value),
  );
  return found !== term.not;
}

/**
 * A test of an entry for a query. `path` and `keyword` are of one violation; `is:split` is asked of titles.
 * @param {Query} query
 * @returns {(entry: number) => boolean}
 */
function testOf({ terms }) {
  const ofPlaces = terms.filter(({ key, not }) => ["path", "keyword"].includes(key) && !not);
  const notPlaces = terms.filter(({ key, not }) => ["path", "keyword"].includes(key) && not);
  const rest = terms.filter((term) => !["path", "keyword"].includes(term.key) && !isSplit(term));
  return (entry) => {
    const places = (entries.broken[entry] || []).map((place) => PLACE_FACTS[place]);
    if (ofPlaces.length && !places.some((place) => ofPlaces.every((term) => holds(term, place[term.key])))) return false;
    if (!notPlaces.every((term) => places.every((place) => holds(term, place[term.key])))) return false;
    return rest.every((term) => (term.key === WORD ? wordHolds(term, entry) : holds(term, FACT_OF[term.key](entry))));
  };
}

/** @param {Term} term */
function isSplit(term) {
  return term.key === "is" && term.values.includes("split");
}

/**
 * Columns that the query leaves: those of models and formats that it names.
 * @param {Query} query
 */
function visibleColumns({ terms }) {
  const ofColumns = terms.filter(({ key }) => ["model", "variant", "run", "format", "prompt"].includes(key));
  const first = new Map(entries.column.map((column, entry) => [column, entry]));
  return index.columns
    .map((_, column) => column)
    .filter((column) => {
      const entry = first.get(column);
      const fits = entry === undefined || ofColumns.every((term) => holds(term, FACT_OF[term.key](entry)));
      return fits && !view.hide.includes(column);
    });
}

/** @param {number[]} group */
function disagree(group) {
  return new Set(group.map((entry) => outcomeOf(entry) === "passed")).size > 1;
}

// Show what the view says, and tell how much that is.
function applyFilters() {
  const query = parseQuery(view.q);
  const columns = visibleColumns(query);
  const inSight = new Set(columns);
  const test = testOf(query);
  const split = query.terms.filter(isSplit);
  /** @type {Set<number>} */
  const fitting = new Set();
  /** @type {number[]} */
  const titles = [];
  entriesOfTitle.forEach((group, title) => {
    const visibleOnes = group.filter((entry) => inSight.has(entries.column[entry]));
    const fit = visibleOnes.filter(test);
    if (!fit.length || !split.every((term) => disagree(visibleOnes) !== term.not)) return;
    titles.push(title);
    fit.forEach((entry) => fitting.add(entry));
  });
  shown = { titles: ordered(titles, fitting), columns, fitting };
  tellFilters(query);
  redraw();
}

const VERDICTS = Object.keys(OUTCOMES);

/**
 * What a title is ordered by: of several answers the extreme one that comes first in this direction.
 * @param {number[]} titles
 * @param {Set<number>} fitting
 */
function ordered(titles, fitting) {
  const { key, descending, column } = view.sort;
  /** @type {Record<string, (title: number) => string | number | undefined>} */
  const ofTitle = {
    plan: (title) => title,
    title: (title) => index.titles[title][1],
    group: (title) => index.titles[title][2],
  };
  if (ofTitle[key]) return sorted(titles, ofTitle[key], descending);
  /** @param {number} title */
  const group = (title) =>
    entriesOfTitle[title].filter(
      (entry) => fitting.has(entry) && (column === null || entries.column[entry] === column),
    );
  if (key === "passed") {
    /** @param {number} title */
    const passed = (title) => group(title).filter((entry) => outcomeOf(entry) === "passed").length;
    return sorted(titles, passed, descending);
  }
  const of = isFact(key) ? FACTS[key].of : verdictRank;
  /** @param {number} title */
  const extreme = (title) => {
    const values = group(title)
      .map(of)
      .filter((value) => !isMissing(value));
    return values.length ? (descending ? Math.max(...values) : Math.min(...values)) : null;
  };
  return sorted(titles, extreme, descending);
}

/**
 * Passed, then the categories of failures, then errors: categories of one kind stand together.
 * @param {number} entry
 */
function verdictRank(entry) {
  return VERDICTS.indexOf(outcomeOf(entry)) * 1000 + entries.category[entry];
}

/** @param {Query} query */
function tellFilters(query) {
  const all = index.titles.length;
  const some = shown.titles.length === all && shown.fitting.size === entries.key.length;
  const titles = some
    ? plural(all, "title", "titles")
    : `${number(shown.titles.length)} of ${plural(all, "title", "titles")}`;
  const waits =
    !SAID.ready && canUnpack && query.terms.some(({ key }) => NEEDS_TEXTS.includes(key))
      ? ` · reading the answers: ${number(SAID.read)} of ${plural(index.starts.length, "part", "parts")}`
      : "";
  const faults = query.faults.length ? ` · ${query.faults.join("; ")}` : "";
  byId("shown").textContent = `${titles} · ${plural(shown.fitting.size, "answer", "answers")}${waits}${faults}`;
  byId("none").hidden = shown.titles.length > 0;
  byId("table").hidden = shown.titles.length === 0;
  tellControls(query);
}

/**
 * Set the query from elsewhere on the page, and go there.
 * @param {string} query
 */
function showOnly(query) {
  setView({ q: query }, "step");
  byId("filter-text").value = query;
  applyFilters();
  byId("answers").scrollIntoView();
  byId("answers").focus({ preventScroll: true });
}

function clearFilters() {
  view.hide = [];
  showOnly("");
}

/** @param {number} contender */
function contenderQuery(contender) {
  const { model, variant, run } = index.contenders[contender];
  const terms = { run, variant, model };
  return Object.entries(terms).reduce((query, [key, value]) => withTerm(query, key, value ? [value] : [], "="), "");
}
