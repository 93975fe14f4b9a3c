// How an answer came about: attempts and timing, parameters and fingerprint, and what names the case.

/** @param {[label: string, value: string | null | undefined][]} pairs */
function facts(pairs) {
  return el(
    "dl",
    { class: "facts" },
    pairs.map(([label, value]) => (value ? [el("dt", {}, label), el("dd", {}, name(value, "plain"))] : null)),
  );
}

/**
 * @param {Exchange} exchange
 * @param {Item} item
 */
function courseOf(exchange, item) {
  const speed =
    exchange.speed && `${exchange.speed[0].toFixed(1)} (${SOURCES[exchange.speed[1]] || exchange.speed[1]})`;
  const tokens =
    exchange.completion_tokens === null
      ? null
      : `${number(exchange.prompt_tokens || 0)} asked, ${number(exchange.completion_tokens)} answered`;
  const reused = exchange.reused ? "Reused, not asked again. " : "";
  const summary = `${reused}Timing: ${decimals(exchange.seconds, 2)} s, ${plural(exchange.attempt_count, "attempt", "attempts")}`;
  return details(
    summary,
    facts([
      ["Asked at", exchange.at],
      ["Reused from run", exchange.reused],
      ["Seconds", decimals(exchange.seconds, 3)],
      ["Tokens per second", speed],
      ["Tokens", tokens],
      ["Stopped because", exchange.finish_reason],
      ["The test took", item.seconds === undefined ? null : `${decimals(item.seconds, 3)} s`],
    ]),
    attemptTable(exchange),
  );
}

/** @param {Exchange} exchange */
function attemptTable(exchange) {
  const heads = ["attempt", "at", "seconds", "status", "host", "ended with"];
  const rows = exchange.attempts.map(([at, seconds, status, host, fault], position) =>
    el(
      "tr",
      {},
      el("td", { class: "figure" }, String(position + 1)),
      el("td", {}, at),
      el("td", { class: "figure" }, decimals(seconds, 2)),
      el("td", { class: "figure" }, status === null ? "-" : String(status)),
      el("td", {}, name(host, "plain")),
      el("td", {}, fault ? name(fault, "plain") : "an answer"),
    ),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Attempts" },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head) => el("th", { scope: "col" }, head)),
        ),
      ),
      el("tbody", {}, rows),
    ),
  );
}

/** @param {Exchange} exchange */
async function servedBy(exchange) {
  /** @type {HTMLElement[]} */
  const parts = [
    el("h5", {}, "Parameters sent"),
    el("pre", {}, exchange.params),
    el("h5", {}, "Fingerprint of the model"),
    el("pre", {}, await sharedText(exchange.fingerprint)),
  ];
  if (exchange.model) parts.unshift(facts([["The server says", exchange.model]]));
  if (exchange.details)
    parts.push(el("h5", {}, "The rest of the answer"), el("pre", {}, ...textParts(exchange.details)));
  return details("Parameters and fingerprint", ...parts);
}

/**
 * @param {Payload} payload
 * @param {Item} item
 */
function identity(payload, item) {
  const one = payload.case;
  return details(
    "Names of this case",
    facts([
      ["Item", item.item],
      ["Case", one && one.id],
      ["Prompt hash", one && one.prompt],
      ["Repeat", one && String(one.repeat)],
      ["Seed", one && String(one.seed)],
      ["Ended in", item.phase],
    ]),
  );
}
