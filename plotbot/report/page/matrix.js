// Titles × columns, drawn only where it is in sight: ten thousand rows cost as much as thirty.

const MARGIN_ROWS = 8;
let rowHeight = 40;

function drawMatrix() {
  drawFilters();
  const head = el("div", { role: "rowgroup", class: "m-head" });
  const body = el("div", { role: "rowgroup", class: "m-body" });
  byId("matrix").append(
    el("div", { role: "table", class: "matrix", id: "table", "aria-label": "Titles and models" }, head, body),
    el(
      "p",
      { id: "none", class: "quiet", hidden: true },
      "No answer fits these filters. ",
      el("button", { type: "button", class: "link", click: clearFilters }, "Clear them"),
    ),
  );
  body.addEventListener("keydown", moveFocus);
  window.addEventListener("scroll", drawRows, { passive: true });
  window.addEventListener("resize", () => {
    measureRow();
    drawRows();
  });
  applyFilters();
}

// All rows anew: other titles, or other columns.
function redraw() {
  drawHead();
  byId("table").querySelector(".m-body").replaceChildren();
  measureRow();
  drawRows();
}

function drawHead() {
  const table = byId("table");
  placed(table, { "--columns": String(shown.columns.length) });
  table.classList.toggle("many", shown.columns.length > 5);
  table.setAttribute("aria-rowcount", String(shown.titles.length + 1));
  table.querySelector(".m-head").replaceChildren(
    el(
      "div",
      { role: "row", class: "m-row", "aria-rowindex": "1" },
      el("div", { role: "columnheader", class: "m-title" }, "title"),
      shown.columns.map((column) => {
        const { label } = index.contenders[index.columns[column][0]];
        return el(
          "div",
          { role: "columnheader", class: "m-cell", title: visible(label) },
          el("span", { class: "clip" }, name(label)),
          el("span", { class: "clip quiet small" }, columnDetails(column)),
        );
      }),
    ),
  );
}

// All rows are of one height, whatever is in them; it depends on the width of the window.
function measureRow() {
  if (!shown.titles.length) return;
  const body = byId("table").querySelector(".m-body");
  const probe = row(0);
  body.append(probe);
  rowHeight = probe.getBoundingClientRect().height || rowHeight;
  probe.remove();
}

function row(position) {
  const title = shown.titles[position];
  const [id, text] = index.titles[title];
  const group = entriesOfTitle[title];
  return el(
    "div",
    { role: "row", class: "m-row", "aria-rowindex": position + 2, "data-row": position },
    el(
      "div",
      { role: "rowheader", class: "m-title", title: visible(text) },
      el("span", { class: "clip" }, name(text, "headline")),
      el("span", { class: "quiet small id clip" }, name(id)),
    ),
    shown.columns.map((column) => cell(group.filter((entry) => entries.column[entry] === column))),
  );
}

function cell(group) {
  if (!group.length) return el("div", { role: "cell", class: "m-cell" }, el("span", { class: "quiet" }, "not asked"));
  const link = group.length === 1 ? oneAnswer(group[0]) : severalAnswers(group);
  const dim = group.some(fits) ? "" : "dim";
  return el("div", { role: "cell", class: `m-cell ${dim}` }, link);
}

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

// Repeats, or several tests of one case: how many passed; the link opens all of them, what went wrong first.
function severalAnswers(group) {
  const passed = group.filter((entry) => outcomeOf(entry) === "passed").length;
  const worst = [...group].sort((one, other) => rank(one) - rank(other));
  const outcome = passed === group.length ? "passed" : outcomeOf(worst[0]);
  return el(
    "a",
    { class: `answer ${outcome}`, href: linkTo([worst[0]]) },
    el("span", { class: "sign", "aria-hidden": "true" }, OUTCOMES[outcome].sign),
    el("span", { class: "clip" }, `${passed} of ${group.length} passed`),
  );
}

function rank(entry) {
  return ["failed", "error", "not_run", "skipped", "not_needed", "passed"].indexOf(outcomeOf(entry));
}

// Rows that stay in sight keep their nodes, and with them the focus.
function drawRows() {
  const body = byId("table").querySelector(".m-body");
  const count = shown.titles.length;
  const top = -body.getBoundingClientRect().top;
  const first = clamp(Math.floor(top / rowHeight) - MARGIN_ROWS, 0, count);
  // Some rows are there even while the matrix is out of sight: screen readers find them.
  const least = Math.min(first + 2 * MARGIN_ROWS, count);
  const last = clamp(Math.ceil((top + window.innerHeight) / rowHeight) + MARGIN_ROWS, least, count);
  const kept = new Map();
  for (const node of [...body.children]) {
    const position = Number(node.dataset.row);
    const needed = (position >= first && position < last) || node.contains(document.activeElement);
    if (needed) kept.set(position, node);
    else node.remove();
  }
  for (let position = first; position < last; position += 1) {
    if (kept.has(position)) continue;
    const node = placed(row(position), { top: `${position * rowHeight}px` });
    const after = [...kept.keys()].filter((other) => other > position).sort((a, b) => a - b)[0];
    body.insertBefore(node, after === undefined ? null : kept.get(after));
    kept.set(position, node);
  }
  placed(body, { height: `${count * rowHeight}px` });
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

// Arrow keys go from answer to answer, up and down past the rows that are drawn.
function moveFocus(event) {
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  const step = steps[event.key];
  const here = event.target.closest(".m-row");
  if (!step || !here || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const column = [...here.children].findIndex((node) => node.contains(event.target));
  const position = clamp(Number(here.dataset.row) + step[0], 0, shown.titles.length - 1);
  revealRow(position);
  const node = byId("table").querySelector(`[data-row="${position}"]`);
  const target = node && node.children[clamp(column + step[1], 1, node.children.length - 1)].querySelector("a");
  if (target) target.focus({ preventScroll: true });
}

function revealRow(position) {
  const body = byId("table").querySelector(".m-body");
  const top = body.getBoundingClientRect().top + position * rowHeight;
  const headHeight = byId("table").querySelector(".m-head").getBoundingClientRect().height;
  if (top < headHeight) window.scrollBy(0, top - headHeight);
  else if (top + rowHeight > window.innerHeight) window.scrollBy(0, top + rowHeight - window.innerHeight);
  drawRows();
}
