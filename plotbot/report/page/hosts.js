// A table of hosts for each model that was asked at several.

function drawHosts() {
  const several = index.contenders.filter((one) => one.hosts.length);
  byId("hosts-section").hidden = !several.length;
  for (const one of several) byId("hosts").append(...hostsOf(one));
}

/** @param {Contender} one */
function hostsOf(one) {
  const label = `Hosts of ${visible(one.label)}`;
  const table = columnTable(
    { class: "models hosts", "aria-label": label },
    "host",
    index.host_columns,
    one.hosts,
    (host) => name(host.host),
  );
  return [
    el("h3", {}, name(one.label), runNote(one)),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table),
    ...asides(one.asides),
  ];
}

/**
 * @param {CountedFault[]} failed
 * @returns {Child}
 */
function failedAttempts(failed) {
  if (!failed.length) return "-";
  return failed.flatMap(([category, count], position) => [
    position ? ", " : null,
    name(category, "plain"),
    ` ${number(count)}`,
  ]);
}

/**
 * Differences in slots or the server's version: the model is the same, so they are only named.
 * @param {Sentence} parts
 */
function asides(parts) {
  if (!parts.length) return [];
  const node = sentence(["Note: ", ...parts]);
  node.className = "quiet small";
  return [node];
}
