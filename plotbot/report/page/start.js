// Draw the page, then follow its address.

drawHeadline();
drawWords();
drawModels();
drawGroups();
drawHosts();
drawFailures();
drawSpeed();
drawViolations();
drawAbout();
drawMatrix();

byId("case").addEventListener("close", leaveAddress);
// A click on what lies around the dialog closes it, as people expect.
byId("case").addEventListener("click", (event) => {
  if (event.target === byId("case")) byId("case").close();
});
window.addEventListener("hashchange", followAddress);
followAddress();
