// How much the stories of a run repeat each other and their prompt, where `plotbot audit` was asked.

function drawAudits() {
  byId("audit-section").hidden = !index.audits.length;
  for (const audit of index.audits) {
    const [first, ...heads] = audit.heads;
    /** @type {TableHead[]} */
    const columns = heads.map((label) => [label, "figure"]);
    const rows = audit.rows.map(([label, ...cells]) => ({ label, cells, rate: null }));
    const attributes = { class: "models", "aria-labelledby": "audit-title" };
    byId("audit").append(
      columnTable(attributes, first, columns, rows, (one) => name(one.label)),
      ...audit.sentences.map(sentence),
    );
  }
}
