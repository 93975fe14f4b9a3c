// A whole case in a dialog, and beside it other answers to the same title. Its address has case=<key>,<key>.

/** @type {number[]} */
let opened = [];
let drawing = 0;

/**
 * @param {number[]} answers
 * @param {Partial<View>} [changes]
 */
function linkTo(answers, changes = {}) {
  return addressOf({ ...changes, cases: answers.map((entry) => entries.key[entry]) });
}

// Take what the address says: the filters, the order, and the case that is open.
function followAddress() {
  const dialog = byId("case");
  clearTimeout(replacing);
  const next = parseAddress(location.hash);
  const other = JSON.stringify({ ...next, cases: null, view: "" }) !== JSON.stringify({ ...view, cases: null, view: "" });
  view = next;
  if (other || !shown.columns.length) {
    controls.text.value = view.q;
    applyFilters();
  }
  if (view.cases === null) {
    if (dialog.open) dialog.close();
    return;
  }
  const answers = view.cases.map((key) => entryByKey.get(key)).filter((entry) => entry !== undefined);
  opened = [...new Set(answers.filter((entry) => entries.title[entry] === entries.title[answers[0]]))];
  drawCase();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
} // prettier-ignore

// Keep the scroll position of the page behind the dialog: an address without a case must not scroll to the top.
function leaveAddress() {
  if (view.cases !== null) setView({ cases: null, view: "" }, "step");
}

function drawCase() {
  const dialog = byId("case");
  const close = el("button", { type: "button", class: "close", click: () => dialog.close() }, "Close");
  if (!opened.length) {
    dialog.replaceChildren(
      el("header", { class: "case-head" }, el("h2", { id: "case-title" }, "No such case"), close),
      el("p", {}, "This report has no case of that address. It may have been made from another run."),
    );
    return;
  }
  const [id, text, fields] = index.titles[entries.title[opened[0]]];
  const answers = el("div", { class: "answers-grid" });
  placed(answers, { "--answers": String(opened.length) });
  dialog.replaceChildren();
  filled(dialog, {}, [
    el(
      "header",
      { class: "case-head" },
      el(
        "div",
        {},
        el("p", { class: "quiet small" }, "Title ", name(id), whichOfThem()),
        el("h2", { id: "case-title", tabindex: "-1", autofocus: true }, name(text, "headline")),
        fields === undefined ? null : el("p", { class: "quiet small" }, name(fields)),
      ),
      el(
        "div",
        { class: "case-buttons" },
        goToTitle(-1, "Previous"),
        goToTitle(1, "Next"),
        el("button", { type: "button", click: copyLink }, "Copy link"),
        el("button", { type: "button", "aria-label": "Keys", click: openHelp }, "?"),
        close,
      ),
    ),
    viewChoice(),
    answerChoice(),
    answers,
  ]);
  fillAnswers(answers);
}

function whichOfThem() {
  const position = shown.titles.indexOf(entries.title[opened[0]]);
  return position < 0 ? " · not among those shown" : ` · ${number(position + 1)} of ${number(shown.titles.length)} shown`;
} // prettier-ignore

/**
 * The answers to a title in the column of an entry, and of its repeat if there is one; several evals may have judged it.
 * @param {number} entry
 * @param {number} title
 * @returns {number[]}
 */
function answersBeside(entry, title) {
  const inColumn = entriesOfTitle[title].filter((other) => entries.column[other] === entries.column[entry]);
  const ofRepeat = inColumn.filter((other) => entries.repeat[other] === entries.repeat[entry]);
  return ofRepeat.length ? ofRepeat : inColumn;
}

/**
 * The answer to another title that stands where this one does: the same column, repeat and eval if there is one.
 * @param {number} entry
 * @param {number} title
 * @returns {number | undefined}
 */
function answerLike(entry, title) {
  const position = answersBeside(entry, entries.title[entry]).indexOf(entry);
  const alike = answersBeside(entry, title);
  return alike[position] ?? alike[0];
}

/**
 * The answers to the title before or after in the filtered list, in the same columns and repeats.
 * @param {number} step
 */
function answersAt(step) {
  const position = shown.titles.indexOf(entries.title[opened[0]]);
  const title = position < 0 ? undefined : shown.titles[position + step];
  const alike = title === undefined ? [] : opened.map((entry) => answerLike(entry, title));
  return [...new Set(alike)].filter((entry) => entry !== undefined);
}

/** @param {number} step */
function walk(step) {
  const group = opened.length ? answersAt(step) : [];
  if (group.length) location.hash = linkTo(group);
}

/**
 * @param {number} step
 * @param {string} label
 */
function goToTitle(step, label) {
  return el("button", { type: "button", disabled: !answersAt(step).length, click: () => walk(step) }, label);
}

/**
 * Not a step to go back to: it is the same case, with more beside it or seen otherwise.
 * @param {number[]} answers
 * @param {Partial<View>} [changes]
 */
function openBeside(answers, changes = {}) {
  opened = answers;
  setView({ ...changes, cases: answers.map((entry) => entries.key[entry]) }, "now");
  drawCase();
}

function toggleAll() {
  const group = entriesOfTitle[entries.title[opened[0]]].filter((entry) => shown.columns.includes(entries.column[entry]));
  openBeside(opened.length > 1 ? [opened[0]] : sideBySide(group.length ? group : opened));
} // prettier-ignore

// All answers to the title; the pressed ones stand side by side.
function answerChoice() {
  const group = entriesOfTitle[entries.title[opened[0]]];
  if (group.length < 2) return null;
  return el(
    "div",
    { class: "choices", role: "group", "aria-label": "Answers to this title, to read side by side" },
    el("span", { class: "quiet small" }, "Read side by side:"),
    group.map((entry) =>
      el(
        "button",
        {
          type: "button",
          class: `chip ${outcomeOf(entry)}`,
          "aria-pressed": String(opened.includes(entry)),
          click: () => toggle(entry),
        },
        `${OUTCOMES[outcomeOf(entry)].sign} `,
        name(answerLabel(entry)),
      ),
    ),
  );
}

/** @param {number} entry */
function toggle(entry) {
  const rest = opened.filter((other) => other !== entry);
  const wanted = rest.length === opened.length ? [...opened, entry] : rest;
  if (!wanted.length) return;
  openBeside(wanted);
  const chips = inside(byId("case"), ".choices").querySelectorAll("button");
  chips[entriesOfTitle[entries.title[entry]].indexOf(entry)].focus();
}

/** @param {number} entry */
function answerLabel(entry) {
  const { label } = index.contenders[contenderOf(entry)];
  const repeat = repeatsDiffer ? `repeat ${entries.repeat[entry]}` : "";
  return [label, columnDetails(entries.column[entry]), repeat].filter(Boolean).join(" · ");
}

/** @param {HTMLElement} target */
async function fillAnswers(target) {
  const turn = (drawing += 1);
  const cards = opened.map(() =>
    el("article", { class: "answer-card", "aria-busy": "true" }, el("p", { class: "quiet" }, "Unpacking…")),
  );
  target.append(...cards);
  if (!canUnpack) {
    target.replaceChildren(
      el(
        "p",
        { class: "card alert" },
        CANNOT_UNPACK,
      ),
    );
    return;
  }
  for (const [position, entry] of opened.entries()) {
    const content = await answerCard(entry);
    if (turn !== drawing) return;
    cards[position].replaceChildren();
    filled(cards[position], {}, content);
    cards[position].removeAttribute("aria-busy");
    showFirstMark(cards[position]);
  }
}

/** @param {HTMLElement} article */
function showFirstMark(article) {
  const mark = article.querySelector("mark");
  const box = mark?.closest("pre");
  if (mark && box && mark.offsetTop > box.clientHeight - 40) box.scrollTop = mark.offsetTop - box.clientHeight / 3;
}
