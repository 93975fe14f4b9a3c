// What another model says of the answers, and how far it is to be believed.

/** @param {Sentence} sentence */
function inline(sentence) {
  return sentence.map((part) => (typeof part === "string" ? part : name(part.name)));
}

function drawJudged() {
  if (!index.judged.length) return;
  byId("judged-section").hidden = false;
  for (const judged of index.judged) {
    const subjects = judged.rows.map(([subject]) => JSON.stringify(subject));
    const rows = judged.rows.map(([subject, question, result], position) =>
      el(
        "tr",
        {},
        // The name of a model stands once above its questions.
        el(
          "th",
          { scope: "row", class: subjects[position - 1] === subjects[position] ? "again" : null },
          inline(subject),
        ),
        el("td", { "data-label": "question" }, name(question)),
        el("td", { "data-label": "result" }, inline(result)),
      ),
    );
    const heads = ["model", "question", "result"].map((label) => el("th", { scope: "col" }, label));
    byId("judged").append(
      el(
        "table",
        { class: "models", "aria-labelledby": "judged-title" },
        el("thead", {}, el("tr", {}, heads)),
        el("tbody", {}, rows),
      ),
      ...judged.sentences.map(sentence),
    );
  }
}
