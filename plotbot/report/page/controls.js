// The bar above the matrix: search, choices, order, what rows show, and what can be taken away.

const controls = /** @type {Controls} */ ({});

/**
 * @param {string | number} value
 * @param {string} label
 */
function option(value, label) {
  return el("option", { value }, visible(label));
}

/**
 * @param {Exclude<keyof Controls, "text">} key
 * @param {string} label
 * @param {Child[]} choices
 * @param {(value: string) => void} changed
 */
function control(key, label, choices, changed) {
  /** @type {HTMLSelectElement} */
  const select = el("select", { id: `filter-${key}`, change: () => changed(select.value) }, choices);
  controls[key] = select;
  return el("label", {}, el("span", {}, label), select);
}

/** @param {string} q */
function changeQuery(q) {
  setView({ q });
  controls.text.value = q;
  applyFilters();
}

function drawFilters() {
  const form = byId("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  const more = el("details", { class: "more" }, el("summary", {}, "Filter, order, columns, download"), moreControls());
  more.open = window.innerWidth > 720;
  form.append(
    el("div", { class: "bar" }, searchField(), el("p", { id: "shown", role: "status", class: "quiet" })),
    more,
  );
  const bar = inside(form, ".bar");
  new ResizeObserver(() => placed(byId("answers"), { "--bar": `${bar.offsetHeight}px` })).observe(bar);
}

function moreControls() {
  return el(
    "div",
    { class: "controls" },
    control("category", "Show", categoryOptions(), chooseCategory),
    TERM_CHOICES.map((key) => termControl(key, ...CHOICES[key])),
    control(
      "order",
      "Order by",
      Object.entries(ORDERS)
        .filter(([key]) => key !== "group" || index.titles.some((title) => title[2]))
        .map(([key, label]) => option(key, label)),
      (text) => changeOrder({ ...parseOrder(text), descending: view.sort.descending }),
    ),
    el("button", { type: "button", id: "direction", click: () => changeOrder(turned(view.sort)) }),
    control(
      "rows",
      "Rows",
      [option("text", "a line of each answer"), option("wrap", "four lines"), option("chips", "verdicts only")],
      (rows) => changeRows({ rows }),
    ),
    el(
      "details",
      { class: "menu", id: "choose-columns", toggle: drawColumnMenu },
      el("summary", {}, "Columns"),
      el("div", { class: "menu-body" }),
    ),
    el(
      "div",
      { class: "take", role: "group", "aria-label": "Take away what is shown" },
      el("button", { type: "button", click: () => download("csv") }, "CSV"),
      el("button", { type: "button", click: () => download("jsonl") }, "JSONL"),
      el("button", { type: "button", click: () => copyLink() }, "Copy link"),
      el("button", { type: "button", click: openHelp }, "Keys ?"),
    ),
  );
}

/**
 * @param {Order} order
 * @returns {Order}
 */
function turned(order) {
  return { ...order, descending: !order.descending };
}

/** @param {Order} sort */
function changeOrder(sort) {
  setView({ sort });
  applyFilters();
}

/** @param {Partial<View>} changes */
function changeRows(changes) {
  setView(changes);
  applyFilters();
}

/** @param {string} choice */
function chooseCategory(choice) {
  const bare = ["status", "category", "is"].reduce((query, key) => withTerm(query, key, []), view.q);
  const chosen = choice ? SHORT_QUERIES[choice] || categoryQuery(choice) : "";
  changeQuery([chosen, bare].filter(Boolean).join(" "));
}

/**
 * Choices that write a term of their name into the query. A variant's name says its format, where that is particular.
 * @type {Record<TermChoice, [label: string, all: string, valuesOf: () => string[]]>}
 */
const CHOICES = {
  model: ["Model", "all models", () => index.contenders.map((one) => one.model)],
  variant: ["Variant", "all variants", () => index.contenders.map((one) => one.variant)],
  run: ["Run", "all runs", () => index.contenders.map((one) => one.run)],
  format: [
    "Format",
    "all formats",
    () => (index.contenders.some((one) => one.variant) ? [] : index.columns.map(([, format]) => format)),
  ],
};

/** @type {TermChoice[]} */
const TERM_CHOICES = ["model", "variant", "run", "format"];

/**
 * @param {TermChoice} key
 * @param {string} label
 * @param {string} all
 * @param {() => string[]} valuesOf
 */
function termControl(key, label, all, valuesOf) {
  const several = [...new Set(valuesOf().filter(Boolean))];
  if (several.length < 2) return null;
  return control(key, label, [option("", all), ...several.map((value) => option(value, value))], (value) =>
    changeQuery(withTerm(view.q, key, value ? [value] : [], "=")),
  );
}

/**
 * Choices follow the query: one is chosen where its terms are in it.
 * @param {Query} query
 */
function tellControls({ terms }) {
  /** @param {string} query */
  const has = (query) =>
    parseQuery(query).terms.every((term) => terms.some((one) => JSON.stringify(one) === JSON.stringify(term)));
  /**
   * @param {HTMLSelectElement | undefined} select
   * @param {(value: string) => string} queryOf
   */
  const match = (select, queryOf) => {
    if (!select) return;
    const found = [...select.options].find((one) => one.value !== "" && has(queryOf(one.value)));
    select.value = found ? found.value : "";
  };
  match(controls.category, (value) => SHORT_QUERIES[value] || categoryQuery(value));
  for (const key of TERM_CHOICES) match(controls[key], (value) => withTerm("", key, [value], "="));
  controls.order.value = view.sort.key;
  controls.rows.value = view.rows;
  const label = view.sort.descending ? "↓ descending" : "↑ ascending";
  byId("direction").replaceChildren(label);
}

function categoryOptions() {
  const counts = new Map();
  entries.category.forEach((category) => counts.set(category, (counts.get(category) || 0) + 1));
  const order = Object.keys(OUTCOMES);
  const each = [...counts].sort(
    ([one, a], [other, b]) =>
      order.indexOf(index.categories[one][0]) - order.indexOf(index.categories[other][0]) || b - a,
  );
  return [
    option("", "every answer"),
    option("bad", "what did not pass"),
    option("split", "where models disagree"),
    ...each.map(([category, count]) =>
      option(
        index.categories[category].join(":"),
        `${OUTCOMES[index.categories[category][0]].sign} ${categoryWords(category)} (${number(count)})`,
      ),
    ),
  ];
}

// Which models, fields of the replies and numbers the rows show.
function drawColumnMenu() {
  const menu = byId("choose-columns");
  if (!menu.open) return;
  /**
   * @template Value
   * @param {Value[]} list
   * @param {Value} value
   * @param {boolean} on
   */
  const toggled = (list, value, on) => (on ? [...list, value] : list.filter((one) => one !== value));
  const columns = index.columns.map((_, column) =>
    box(columnLabel(column), !view.hide.includes(column), (on) =>
      changeRows({ hide: toggled(view.hide, column, !on) }),
    ),
  );
  const names = [...new Set([...fieldNames, ...view.fields])];
  const fields = names.map((field) =>
    box(field, view.fields.includes(field), (on) => changeRows({ fields: toggled(view.fields, field, on) })),
  );
  const facts = Object.keys(FACTS).filter(isFact).map((key) =>
    box(FACTS[key].label, view.facts.includes(key), (on) => changeRows({ facts: toggled(view.facts, key, on) })),
  );
  /**
   * @param {string} title
   * @param {HTMLElement[]} boxes
   */
  const group = (title, boxes) =>
    boxes.length ? el("fieldset", {}, el("legend", {}, title), boxes) : el("p", { class: "quiet" }, "no fields yet");
  inside(menu, ".menu-body").replaceChildren(
    group("Models", columns),
    group("Fields of the replies", fields),
    group("Numbers", facts),
  );
}

/**
 * @param {string} label
 * @param {boolean} checked
 * @param {(on: boolean) => void} changed
 */
function box(label, checked, changed) {
  /** @type {HTMLInputElement} */
  const input = el("input", { type: "checkbox", checked, change: () => changed(input.checked) });
  return el("label", { class: "check" }, input, name(label, "plain"));
}

/** @param {number} column */
function columnLabel(column) {
  return [index.contenders[index.columns[column][0]].label, columnDetails(column)].filter(Boolean).join(" · ");
}
