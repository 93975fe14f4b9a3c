// The search field with its completions: a combobox as the ARIA practices describe it.

const EXAMPLE = 'status:failed model:qwen path:tone seconds>10 "goose"';

function searchField() {
  const list = el("ul", { id: "completions", role: "listbox", "aria-label": "Completions", hidden: true });
  /** @type {HTMLInputElement} */
  const input = el("input", {
    type: "search",
    id: "filter-text",
    placeholder: EXAMPLE,
    autocomplete: "off",
    spellcheck: "false",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "completions",
    "aria-autocomplete": "list",
    input: () => {
      setView({ q: input.value });
      applyFilters();
      complete(input, list);
    },
    keydown: (event) => completionKey(event, input, list),
    blur: () => setTimeout(() => closeCompletions(input, list), 150),
  });
  controls.text = input;
  const label = el("span", {}, "Search titles, replies and messages");
  return el("div", { class: "wide" }, el("label", {}, label, input), list);
}

/**
 * @param {string} key
 * @returns {string[]}
 */
function valuesFor(key) {
  /** @type {Record<string, () => (string | null)[]>} */
  const values = {
    status: () => ["bad", ...index.categories.map(([outcome]) => outcome)],
    is: () => ["split", "replaced"],
    category: () => index.categories.map(([, category]) => category),
    model: () => index.contenders.map(({ label }) => label),
    variant: () => index.contenders.map(({ variant }) => variant),
    run: () => index.runs.map((run) => run.name),
    format: () => index.columns.map(([, format]) => format),
    path: () => index.places.map(([field]) => field),
    keyword: () => index.places.map(([, keyword]) => keyword),
    host: () => SAID.host,
  };
  if (!Object.hasOwn(values, key)) return [];
  return [...new Set(values[key]().flatMap((value) => value || []))];
}

/** @param {HTMLInputElement} input */
function completionsOf(input) {
  return completions(input.value, input.selectionStart ?? input.value.length, valuesFor);
}

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list
 */
function complete(input, list) {
  const { start, end, choices } = completionsOf(input);
  list.replaceChildren(
    ...choices.map((choice, position) =>
      el(
        "li",
        {
          role: "option",
          id: `completion-${position}`,
          "aria-selected": "false",
          mousedown: (event) => {
            event.preventDefault();
            take(input, list, start, end, choice);
          },
        },
        choice,
      ),
    ),
  );
  list.hidden = !choices.length;
  input.setAttribute("aria-expanded", String(choices.length > 0));
  input.removeAttribute("aria-activedescendant");
}

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list
 * @param {number} start
 * @param {number} end
 * @param {string} choice
 */
function take(input, list, start, end, choice) {
  input.value = input.value.slice(0, start) + choice + input.value.slice(end).trimStart();
  input.setSelectionRange(start + choice.length, start + choice.length);
  setView({ q: input.value });
  applyFilters();
  complete(input, list);
}

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list
 */
function closeCompletions(input, list) {
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list
 */
function completionKey(event, input, list) {
  const options = [...list.children];
  const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
  if (event.key === "Escape" && !list.hidden) {
    event.preventDefault();
    closeCompletions(input, list);
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && !list.hidden) {
    event.preventDefault();
    const next = (at + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
    options.forEach((one, position) => one.setAttribute("aria-selected", String(position === next)));
    input.setAttribute("aria-activedescendant", options[next].id);
  } else if (["Enter", "Tab"].includes(event.key) && at >= 0 && !list.hidden) {
    event.preventDefault();
    const { start, end, choices } = completionsOf(input);
    take(input, list, start, end, choices[at]);
  } else if (event.key === "Enter") {
    closeCompletions(input, list);
    byId("table").querySelector(".m-body")?.querySelector("a")?.focus();
  }
}
