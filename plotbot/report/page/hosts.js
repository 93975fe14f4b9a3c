// What each host did of the models that were asked at several, a table a model.

const HOST_HEADS = [
  "host",
  "pass rate",
  "95 % interval, from 0 to 100 %",
  "answered",
  "passed",
  "failed",
  "median s",
  "95 % within s",
  "tokens/s",
  "failed attempts",
];

function drawHosts() {
  const several = index.contenders.filter((one) => one.hosts.length);
  byId("hosts-section").hidden = !several.length;
  for (const one of several) byId("hosts").append(...hostsOf(one));
}

function hostsOf(one) {
  const label = `Hosts of ${visible(one.model)}`;
  const head = HOST_HEADS.map((text, column) =>
    el("th", { scope: "col", class: isFigure(column) ? "figure" : null }, text),
  );
  const table = el(
    "table",
    { class: "models hosts", "aria-label": label },
    el("thead", {}, el("tr", {}, head)),
    el("tbody", {}, one.hosts.map(hostRow)),
  );
  return [
    el("h3", {}, name(one.model), one.run ? el("span", { class: "quiet small" }, " run ", name(one.run)) : null),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table),
    ...asides(one.asides),
  ];
}

function isFigure(column) {
  return column === 1 || (column > 2 && column < HOST_HEADS.length - 1);
}

function hostRow(host) {
  const numbers = [
    `${number(host.answered)} (${host.share_words})`,
    ...host.counts.map(number),
    ...host.seconds,
    host.speed,
  ];
  const failed = Object.entries(host.failed_attempts);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name(host.host)),
    el("td", { class: "figure strong", "data-label": HOST_HEADS[1] }, host.rate_words),
    plotCell(host),
    numbers.map((text, column) => el("td", { class: "figure", "data-label": HOST_HEADS[column + 3] }, text)),
    el("td", { class: failed.length ? null : "zero", "data-label": HOST_HEADS.at(-1) }, failedAttempts(failed)),
  );
}

function failedAttempts(failed) {
  if (!failed.length) return "-";
  return failed.flatMap(([category, count], position) => [
    position ? ", " : null,
    name(category, "plain"),
    ` ${number(count)}`,
  ]);
}

// Slots and the server's version make no other model: they are named, no more.
function asides(parts) {
  if (!parts.length) return [];
  const node = sentence(["Note: ", ...parts]);
  node.className = "quiet small";
  return [node];
}
