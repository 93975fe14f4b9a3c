// Titles × columns, drawn only where it is in sight: ten thousand rows cost as much as thirty.

const MARGIN_ROWS = 8;
let rowHeight = 40;

function drawMatrix() {
  drawFilters();
  const head = el("div", { role: "rowgroup", class: "m-head" });
  const body = el("div", { role: "rowgroup", class: "m-body" });
  const scroll = el("div", { class: "m-scroll" }, body);
  // The head sticks to the window and follows the body sideways.
  scroll.addEventListener("scroll", () => (head.scrollLeft = scroll.scrollLeft), { passive: true });
  byId("matrix").append(
    el("div", { role: "table", class: "matrix", id: "table", "aria-label": "Titles and models" }, head, scroll),
    el(
      "p",
      { id: "none", class: "quiet", hidden: true },
      "No answer fits this query. ",
      el("button", { type: "button", class: "link", click: clearFilters }, "Clear it"),
    ),
  );
  body.addEventListener("keydown", moveFocus);
  window.addEventListener("scroll", drawRows, { passive: true });
  window.addEventListener("resize", () => {
    measureRow();
    drawRows();
  });
}

// All rows anew: other titles, or other columns.
function redraw() {
  drawHead();
  inside(byId("table"), ".m-body").replaceChildren();
  measureRow();
  drawRows();
}

function drawHead() {
  const table = byId("table");
  placed(table, { "--columns": String(shown.columns.length) });
  table.classList.toggle("many", shown.columns.length > 4);
  for (const rows of ROWS) table.classList.toggle(`rows-${rows}`, view.rows === rows);
  table.setAttribute("aria-rowcount", String(shown.titles.length + 1));
  inside(table, ".m-head").replaceChildren(
    el(
      "div",
      { role: "row", class: "m-row", "aria-rowindex": "1" },
      columnHead(null, "m-title", "title"),
      shown.columns.map((column) => {
        const { label } = index.contenders[index.columns[column][0]];
        return columnHead(column, "m-cell", label, columnDetails(column));
      }),
    ),
  );
}

/**
 * A click on the head of a column orders by its verdicts, or by what the order is of already; again, the other way.
 * @param {number | null} column
 * @param {string} className
 * @param {string} label
 * @param {string} [details]
 */
function columnHead(column, className, label, details) {
  const { sort } = view;
  /** @type {OrderKey} */
  const key = column === null ? "title" : isFact(sort.key) ? sort.key : "verdict";
  const here = sort.key === key && (column === null || sort.column === column);
  const direction = here ? (sort.descending ? "descending" : "ascending") : "none";
  const next = { key, column, descending: here ? !sort.descending : column !== null };
  return el(
    "div",
    { role: "columnheader", class: className, "aria-sort": direction },
    el(
      "button",
      { type: "button", class: "link clip", title: visible(`Order by ${ORDERS[key]} of ${label}`),
        click: () => changeOrder(next) },
      name(label),
      here ? (sort.descending ? " ↓" : " ↑") : "",
    ),
    details ? el("span", { class: "clip quiet small" }, details) : null,
  ); // prettier-ignore
}

// All rows are of one height, whatever is in them; it depends on the width of the window.
function measureRow() {
  if (!shown.titles.length) return;
  const body = inside(byId("table"), ".m-body");
  const probe = row(0);
  body.append(probe);
  rowHeight = probe.getBoundingClientRect().height || rowHeight;
  probe.remove();
}

/** @param {number} position */
function row(position) {
  const title = shown.titles[position];
  const [id, text, fields] = index.titles[title];
  const group = entriesOfTitle[title];
  const columns = new Set(shown.columns);
  return el(
    "div",
    { role: "row", class: "m-row", "aria-rowindex": position + 2, "data-row": position },
    el(
      "div",
      { role: "rowheader", class: "m-title", title: visible(text) },
      el(
        "a",
        { class: "headline-link clip", href: linkTo(sideBySide(group.filter((entry) => columns.has(entries.column[entry])))) },
        name(text, "headline"),
      ),
      el("span", { class: "quiet small id clip" }, name(id)),
      fields ? el("span", { class: "quiet small fields clip" }, name(fields, "plain")) : null,
    ),
    shown.columns.map((column) => cell(group.filter((entry) => entries.column[entry] === column))),
  ); // prettier-ignore
}

/**
 * The rows that are drawn.
 * @param {HTMLElement} body
 */
function rowsIn(body) {
  return /** @type {HTMLElement[]} */ ([...body.children]);
}

// Rows that stay in sight keep their nodes, and with them the focus.
function drawRows() {
  const body = inside(byId("table"), ".m-body");
  const count = shown.titles.length;
  const top = -body.getBoundingClientRect().top;
  const first = clamp(Math.floor(top / rowHeight) - MARGIN_ROWS, 0, count);
  // Some rows are there even while the matrix is out of sight: screen readers find them.
  const least = Math.min(first + 2 * MARGIN_ROWS, count);
  const last = clamp(Math.ceil((top + window.innerHeight) / rowHeight) + MARGIN_ROWS, least, count);
  /** @type {Map<number, HTMLElement>} */
  const kept = new Map();
  for (const node of rowsIn(body)) {
    const position = Number(node.dataset.row);
    const needed = (position >= first && position < last) || node.contains(document.activeElement);
    if (needed) kept.set(position, node);
    else node.remove();
  }
  for (let position = first; position < last; position += 1) {
    if (kept.has(position)) continue;
    const node = placed(row(position), { top: `${position * rowHeight}px` });
    const after = [...kept.keys()].filter((other) => other > position).sort((a, b) => a - b)[0];
    body.insertBefore(node, kept.get(after) ?? null);
    kept.set(position, node);
    fillRow(node);
  }
  placed(body, { height: `${count * rowHeight}px` });
}

// Printing shows what is shown, as far as paper goes: rows in the flow, each as high as what is in it.
const MOST_PRINTED = 1000;

function drawAllRows() {
  const body = inside(byId("table"), ".m-body");
  body.replaceChildren(...shown.titles.slice(0, MOST_PRINTED).map((_, position) => row(position)));
  placed(body, { height: "auto" });
  rowsIn(body).forEach(fillRow);
  const left = shown.titles.length - MOST_PRINTED;
  if (left > 0) body.append(el("p", { class: "quiet" }, `and ${plural(left, "other title", "other titles")}: filter to print them`));
} // prettier-ignore

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/**
 * Arrow keys go from answer to answer, up and down past the rows that are drawn.
 * @param {KeyboardEvent} event
 */
function moveFocus(event) {
  /** @type {Record<string, [rows: number, columns: number]>} */
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  const step = steps[event.key];
  const from = /** @type {Element} */ (event.target);
  /** @type {HTMLElement | null} */
  const here = from.closest(".m-row");
  if (!step || !here || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const column = [...here.children].findIndex((node) => node.contains(from));
  const position = clamp(Number(here.dataset.row) + step[0], 0, shown.titles.length - 1);
  revealRow(position);
  const node = byId("table").querySelector(`[data-row="${position}"]`);
  const target = node && node.children[clamp(column + step[1], 0, node.children.length - 1)].querySelector("a");
  if (target) target.focus({ preventScroll: true });
}

/**
 * `j` and `k`: the row after and before the one that has the focus, or the first in sight.
 * @param {"ArrowDown" | "ArrowUp"} step
 */
function stepRow(step) {
  const here = document.activeElement?.closest(".m-row[data-row]");
  const first = rowsIn(inside(byId("table"), ".m-body")).find(
    (node) => node.getBoundingClientRect().top >= inside(byId("filters"), ".bar").getBoundingClientRect().bottom,
  );
  if (here) here.querySelector("a")?.dispatchEvent(new KeyboardEvent("keydown", { key: step, bubbles: true }));
  else if (first) {
    revealRow(Number(first.dataset.row));
    first.querySelector("a")?.focus({ preventScroll: true });
  }
}

/** @param {number} position */
function revealRow(position) {
  const body = inside(byId("table"), ".m-body");
  const top = body.getBoundingClientRect().top + position * rowHeight;
  const head = inside(byId("table"), ".m-head").getBoundingClientRect();
  const headHeight = Math.max(head.bottom, inside(byId("filters"), ".bar").getBoundingClientRect().bottom, 0);
  if (top < headHeight) window.scrollBy(0, top - headHeight);
  else if (top + rowHeight > window.innerHeight) window.scrollBy(0, top + rowHeight - window.innerHeight);
  drawRows();
}
