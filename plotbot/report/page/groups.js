// A table of the groups of titles for each model, and which of them are worse than the rest.

function drawGroups() {
  const several = index.contenders.filter((one) => one.groups.length);
  byId("groups-section").hidden = !several.length;
  if (several.length > MOST_TABLES) byId("groups").append(groupMatrix(several));
  for (const one of several) {
    const shown = groupsOf(one);
    byId("groups").append(...(several.length > MOST_TABLES ? [details(...shown)] : shown));
  }
}

// Of more models than this their rates stand in one table first, and each has its own folded below.
const MOST_TABLES = 2;

/** @param {Contender[]} several */
function groupMatrix(several) {
  const groups = [...new Set(several.flatMap((one) => one.groups.map(({ group }) => group)))];
  const heads = ["group", ...several.map((one) => name(contenderLabel(index.contenders.indexOf(one))))];
  const rows = groups.map((group) =>
    el("tr", {}, el("th", { scope: "row" }, name(group)), several.map((one) => groupCell(one, group))),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Pass rate of each group and model" },
    el(
      "table",
      { class: "group-matrix", "aria-label": "Pass rate of each group and model" },
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows),
    ),
  );
} // prettier-ignore

/**
 * @param {Contender} one
 * @param {string} group
 */
function groupCell(one, group) {
  const found = one.groups.find((other) => other.group === group);
  if (!found) return el("td", { class: "figure zero" }, "-");
  return el(
    "td",
    { class: "figure" },
    found.rate === null ? "-" : shareText(found.rate),
    found.worse ? el("span", { class: "tag", title: "worse than the rest beyond chance" }, "worse") : null,
  );
}

/**
 * @param {Contender} one
 * @returns {[title: HTMLElement, table: HTMLElement]}
 */
function groupsOf(one) {
  const label = `Groups of titles of ${visible(one.label)}`;
  const table = columnTable(
    { class: "models hosts", "aria-label": label },
    "group",
    index.group_columns,
    one.groups,
    (group) => name(group.group),
  );
  return [
    el("h3", {}, name(one.label), runNote(one)),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table),
  ];
}
