// Draw the page, then follow its address.

drawHeadline();
drawWords();
drawModels();
drawRepeats();
drawGates();
drawGroups();
drawHosts();
drawJudged();
drawFailures();
drawSpeed();
drawViolations();
drawAudits();
drawAbout();
drawMatrix();

byId("case").addEventListener("close", leaveAddress);
// A click on what lies around the dialog closes it, as people expect.
byId("case").addEventListener("click", (event) => {
  if (event.target === byId("case")) byId("case").close();
});
window.addEventListener("hashchange", followAddress);
document.addEventListener("keydown", pressed);
window.addEventListener("beforeprint", drawAllRows);
window.addEventListener("afterprint", redraw);
followAddress();

// What the query and the order need of the answers comes later.
whenRead(() => {
  const { terms } = parseQuery(view.q);
  if (terms.some(({ key }) => NEEDS_TEXTS.includes(key)) || ["tokens", "attempts", "length"].includes(view.sort.key))
    applyFilters();
});
requestAnimationFrame(() => setTimeout(readTexts));
