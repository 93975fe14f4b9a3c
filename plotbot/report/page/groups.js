// A table of the groups of titles for each model, and which of them are worse than the rest.

function drawGroups() {
  const several = index.contenders.filter((one) => one.groups.length);
  byId("groups-section").hidden = !several.length;
  for (const one of several) byId("groups").append(...groupsOf(one));
}

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
