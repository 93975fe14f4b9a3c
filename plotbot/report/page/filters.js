// Which titles and columns the matrix shows: search, choices, order.

const filters = { text: "", category: "", contender: "", format: "", order: "plan", place: null };
const controls = {};
let shown = { titles: [], columns: [] };

// One lower-case text a title, made once: a search looks through ten thousand of them at every key.
const searchable = index.titles.map(([id, text, fields]) => `${text}\n${id}\n${fields ?? ""}`.toLowerCase());

function option(value, label) {
  return el("option", { value }, visible(label));
}

function control(key, label, choices) {
  const select = el(
    "select",
    {
      id: `filter-${key}`,
      change: () => {
        filters[key] = select.value;
        applyFilters();
      },
    },
    choices,
  );
  controls[key] = select;
  return el("label", {}, el("span", {}, label), select);
}

function drawFilters() {
  const form = byId("filters");
  const search = el("input", {
    type: "search",
    id: "filter-text",
    placeholder: "words of a title, or its id",
    autocomplete: "off",
    input: () => {
      filters.text = search.value;
      applyFilters();
    },
  });
  controls.text = search;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.append(
    el("label", { class: "wide" }, el("span", {}, "Search titles"), search),
    control("category", "Show", categoryOptions()),
  );
  if (index.contenders.length > 1) {
    form.append(
      control("contender", "Model", [
        option("", "all models"),
        ...index.contenders.map((_, contender) => option(contender, contenderLabel(contender))),
      ]),
    );
  }
  if (formatsDiffer) {
    const formats = [...new Set(index.columns.map(([, format]) => format))];
    form.append(
      control("format", "Format", [option("", "all formats"), ...formats.map((format) => option(format, format))]),
    );
  }
  form.append(
    control("order", "Order", [
      option("plan", "as planned"),
      option("worst", "fewest passed first"),
      option("title", "by title"),
    ]),
    el("div", { id: "chosen-place" }),
    el("p", { id: "shown", role: "status", class: "quiet" }),
  );
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

// Set filters from elsewhere on the page, and go there.
function showOnly({ category = "", place = null, contender = null }) {
  Object.assign(filters, {
    text: "",
    category,
    place,
    contender: contender === null ? "" : String(contender),
    format: "",
  });
  for (const key of Object.keys(controls)) controls[key].value = filters[key];
  applyFilters();
  byId("answers").scrollIntoView();
  byId("answers").focus({ preventScroll: true });
}

// `#show=bad` and `#show=failed:schema` name a choice of the filter "Show": the terminal gives such an address.
function showAddress() {
  const [key, value] = location.hash.slice(1).split("=", 2);
  const category = decoded(value || "");
  const known = [...controls.category.options].some((choice) => choice.value === category);
  if (key === "show" && known) showOnly({ category });
}

function clearFilters() {
  showOnly({});
}

function fits(entry) {
  if (filters.place !== null && !(entries.broken[entry] || []).includes(filters.place)) return false;
  if (filters.category === "bad") return !["passed", "skipped", "not_needed"].includes(outcomeOf(entry));
  return (
    ["", "split"].includes(filters.category) || index.categories[entries.category[entry]].join(":") === filters.category
  );
}

function disagree(group) {
  return new Set(group.map((entry) => outcomeOf(entry) === "passed")).size > 1;
}

function applyFilters() {
  const columns = index.columns
    .map((_, column) => column)
    .filter(
      (column) =>
        (filters.contender === "" || String(index.columns[column][0]) === filters.contender) &&
        (filters.format === "" || index.columns[column][1] === filters.format),
    );
  const visibleColumns = new Set(columns);
  const wanted = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const titles = index.titles
    .map((_, title) => title)
    .filter((title) => {
      if (!wanted.every((word) => searchable[title].includes(word))) return false;
      const group = entriesOfTitle[title].filter((entry) => visibleColumns.has(entries.column[entry]));
      return group.some(fits) && (filters.category !== "split" || disagree(group));
    });
  shown = { titles: ordered(titles, visibleColumns), columns };
  tellFilters();
  redraw();
}

function ordered(titles, columns) {
  if (filters.order === "plan") return titles;
  if (filters.order === "title") {
    return titles.sort((one, other) => index.titles[one][1].localeCompare(index.titles[other][1]));
  }
  const passed = new Map(
    titles.map((title) => [
      title,
      entriesOfTitle[title].filter((entry) => columns.has(entries.column[entry]) && outcomeOf(entry) === "passed")
        .length,
    ]),
  );
  return titles.sort((one, other) => passed.get(one) - passed.get(other) || one - other);
}

function tellFilters() {
  const all = index.titles.length;
  byId("shown").textContent =
    shown.titles.length === all
      ? plural(all, "title", "titles")
      : `${number(shown.titles.length)} of ${plural(all, "title", "titles")}`;
  byId("none").hidden = shown.titles.length > 0;
  byId("table").hidden = shown.titles.length === 0;
  const chip = byId("chosen-place");
  chip.replaceChildren();
  if (filters.place === null) return;
  const [field, keyword] = index.places[filters.place];
  chip.append(
    el(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-label": "Take the violation filter away",
        click: () => {
          filters.place = null;
          applyFilters();
        },
      },
      name(field),
      " breaks ",
      name(keyword),
      " ×",
    ),
  );
}
