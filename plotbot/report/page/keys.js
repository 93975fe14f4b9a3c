// Keys, and the overlay that tells them.

const KEYS = [
  ["j  k  ↓  ↑", "next and previous title; in an opened case too (or → ←)"],
  ["Enter", "open the answer, or all models' answers to the title"],
  ["/", "search"],
  ["Esc", "close what is open; leave the search"],
  ["v", "opened case: fields, pretty, raw, diff"],
  ["a", "opened case: all models' answers, or the one alone"],
  ["c  t  l", "opened case: copy the reply, the pytest command, the link"],
  ["s", "turn the order around"],
  ["?", "this list"],
];

const QUERY_WORDS = [
  ['goose "two words"', "in the title, the reply or the message"],
  ["status:failed", "passed, failed, error, skipped, not_run; bad is what did not pass"],
  ["model:qwen category:schema,fenced", "contains; a comma is or, a space is and"],
  ["path:tone keyword=maxLength", "a violation of the schema; = is exactly"],
  ["seconds>10 tokens<50", "also speed, attempts, length, repeat"],
  ["-is:split  -status:passed", "a minus is not"],
];

function openHelp() {
  const help = byId("help");
  /** @param {string[][]} pairs */
  const list = (pairs) =>
    el(
      "dl",
      { class: "facts" },
      pairs.map(([keys, words]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, words)]),
    );
  help.replaceChildren(
    el("h2", { id: "help-title" }, "Keys"),
    list(KEYS),
    el("h3", {}, "Search"),
    list(QUERY_WORDS),
    el("button", { type: "button", autofocus: true, click: () => help.close() }, "Close"),
  );
  if (!help.open) help.showModal();
}

/** @param {Element} target */
function isTyping(target) {
  return target.closest("input:not([type=checkbox]), textarea, select") !== null;
}

/** @type {Record<string, () => unknown>} */
const ON_PAGE = {
  "/": () => {
    byId("answers").scrollIntoView();
    byId("filter-text").focus();
  },
  "?": openHelp,
  j: () => stepRow("ArrowDown"),
  k: () => stepRow("ArrowUp"),
  s: () => changeOrder(turned(view.sort)),
};
/** @type {Record<string, () => unknown>} */
const IN_CASE = {
  j: () => walk(1),
  k: () => walk(-1),
  ArrowRight: () => walk(1),
  ArrowLeft: () => walk(-1),
  v: nextView,
  a: toggleAll,
  c: () => copyReply(opened[0]),
  t: () => copyCommand(opened[0]),
  l: copyLink,
  "?": openHelp,
  "/": () => {
    byId("case").close();
    ON_PAGE["/"]();
  },
};

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = /** @type {Element} */ (event.target);
  if (event.key === "Escape" && target === byId("filter-text")) byId("filter-text").blur();
  if (isTyping(target) || byId("help").open) return;
  const actions = byId("case").open ? IN_CASE : ON_PAGE;
  // A region that scrolls sideways keeps its arrow keys.
  if (event.key.startsWith("Arrow") && target.closest("pre, .scroll, summary")) return;
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}
