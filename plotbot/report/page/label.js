// One question about one seed at a time. Each label is stored in the browser on its own, as soon as it is given: two tabs
// of the page, a reload and another labeller cannot overwrite it.

/** @type {LabelData} */
const DATA = JSON.parse(byId("data").textContent);
/** @type {Record<string, string>} */
const KEYS = { p: "pass", f: "fail", "?": "unsure" };
const OURS = "plotbot-label";
/**
 * What the browser would not store.
 * @type {Map<string, Stored>}
 */
const memory = new Map();
let labeller = "";
let place = 0;

/**
 * @param {string} name
 * @param {LabelTask} task
 */
function keyOf(name, task) {
  const criterion = DATA.criteria[task[1]];
  return JSON.stringify([OURS, DATA.run, name, DATA.answers[task[0]].id, criterion.name, criterion.wording]);
}

/**
 * @param {string} key
 * @returns {Stored | null}
 */
function stored(key) {
  const kept = memory.get(key);
  if (kept) return kept;
  try {
    const text = localStorage.getItem(key);
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {Stored} value
 */
function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    memory.delete(key);
  } catch {
    memory.set(key, value);
    say("This browser stores nothing for this page: download your labels before you close it.");
  }
}

// Every label of this run by this labeller, of former wordings and of seeds that are not shown any more, too.
function entries() {
  const keys = new Set(memory.keys());
  try {
    for (let number = 0; number < localStorage.length; number += 1) keys.add(localStorage.key(number) ?? "");
  } catch {
    // The notice of `store` has said it.
  }
  return [...keys].sort().flatMap((key) => {
    const parts = parsed(key);
    if (!Array.isArray(parts) || parts[0] !== OURS || parts[1] !== DATA.run || parts[2] !== labeller) return [];
    const value = stored(key);
    if (!value || parts.length !== 6) return [];
    return [{ answer: parts[3], criterion: parts[4], wording: parts[5], ...value }];
  });
}

/**
 * @param {string} text
 * @returns {unknown}
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {number} number */
function given(number) {
  return stored(keyOf(labeller, DATA.tasks[number]));
}

/**
 * The first task from *start* on, around the end, without a label; the number of tasks if there is none.
 * @param {number} start
 */
function nextOpen(start) {
  for (let step = 0; step < DATA.tasks.length; step += 1) {
    const number = (start + step) % DATA.tasks.length;
    if (!given(number)) return number;
  }
  return DATA.tasks.length;
}

/** @param {string} label */
function answer(label) {
  if (byId("task").hidden) return;
  store(keyOf(labeller, DATA.tasks[place]), { label, at: new Date().toISOString() });
  place = nextOpen(place + 1);
  draw();
}

function back() {
  if (!labeller || place === 0) return;
  place -= 1;
  draw();
}

/** @param {string} text */
function say(text) {
  byId("notice").replaceChildren(...textNodes(text));
}

/** @param {string} name */
function begin(name) {
  labeller = name.trim();
  if (!labeller) return;
  byId("labeller").value = labeller;
  store(JSON.stringify([OURS, DATA.run]), { labeller });
  byId("labeller").blur();
  place = nextOpen(0);
  tellVoid();
  draw();
}

function tellVoid() {
  const current = new Map(DATA.criteria.map((one) => [one.name, one.wording]));
  const former = entries().filter((one) => one.label !== "unsure" && current.get(one.criterion) !== one.wording);
  say(
    former.length === 0
      ? ""
      : `${plural(former.length, "label of yours is", "labels of yours are")} void: the question has another wording ` +
          "now. The download keeps them, and they do not count.",
  );
}

function draw() {
  const total = DATA.tasks.length;
  const labels = DATA.tasks.flatMap((_, number) => given(number) ?? []);
  const unsure = labels.filter((one) => one.label === "unsure").length;
  byId("bar").max = Math.max(total, 1);
  byId("bar").value = labels.length;
  byId("progress").textContent =
    `${number(labels.length)} of ${number(total)} done` + (unsure ? `, ${number(unsure)} of them not sure` : "");
  const open = place < total;
  byId("task").hidden = !open;
  byId("done").hidden = open;
  byId("done").textContent = open ? "" : "All is labelled. Download your labels; the key b goes back to the last one.";
  if (open) drawTask(DATA.tasks[place]);
}

/** @param {LabelTask} task */
function drawTask(task) {
  const shown = DATA.answers[task[0]];
  byId("question").replaceChildren(...textNodes(DATA.criteria[task[1]].question));
  const before = given(place);
  byId("earlier").textContent = before ? `You said: ${before.label}. A new answer replaces it.` : "";
  byId("back").disabled = place === 0;
  byId("seed").replaceChildren(el("h2", {}, name(shown.headline)), ...shown.entries.map(entryNodes));
}

/**
 * @param {unknown} value
 * @returns {HTMLElement}
 */
function entryNodes(value) {
  if (value === null || typeof value !== "object") return el("dd", {}, name(String(value), "value"));
  if (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object"))
    return el("dd", {}, ...value.map((one) => el("div", {}, "• ", name(String(one), "value"))));
  const list = el("dl", {});
  for (const [field, inner] of Object.entries(value))
    list.append(el("dt", {}, name(Array.isArray(value) ? `${Number(field) + 1}` : field, "value")), entryNodes(inner));
  return list;
}

function download() {
  const labels = entries()
    .filter((one) => one.label === "pass" || one.label === "fail")
    .map((one) => ({ ...one, labeller }));
  const file = { labels_version: 1, run: DATA.run, labels };
  const url = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1) + "\n"], { type: "application/json" }));
  el("a", { href: url, download: "labels.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof HTMLInputElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping) return;
  if (KEYS[event.key.toLowerCase()]) answer(KEYS[event.key.toLowerCase()]);
  else if (event.key === "ArrowLeft" || event.key.toLowerCase() === "b") back();
  else return;
  event.preventDefault();
});
byId("who").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(byId("labeller").value);
});
byId("pass").addEventListener("click", () => answer("pass"));
byId("fail").addEventListener("click", () => answer("fail"));
byId("unsure").addEventListener("click", () => answer("unsure"));
byId("back").addEventListener("click", back);
byId("download").addEventListener("click", download);

byId("origin").replaceChildren(
  ...textNodes(`${plural(DATA.answers.length, "seed", "seeds")} of run ${DATA.name}; what the judge said is not here`),
);
begin((stored(JSON.stringify([OURS, DATA.run])) || {}).labeller || "");
if (!labeller) byId("labeller").focus();
