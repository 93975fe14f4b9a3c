// The offending places in a raw reply: what a verdict's offset and JSON paths point at.

const MOST_DEPTH = 100;
const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/;

/**
 * Places as {start, end, label}, in UTF-16 units; *text* is the reply's first part, which starts at offset 0.
 * @param {string} text
 * @param {Item} item
 * @returns {Place[]}
 */
function placesIn(text, item) {
  const faults = [...(item.violations || []), ...(item.findings || [])];
  const ranges = pathRanges(text, new Set(faults.map(([path]) => path)));
  const places = faults
    .map(([path], position) => ({ ...ranges.get(path), label: String(position + 1) }))
    .filter((place) => place.start !== undefined);
  return merged(places);
}

/**
 * Several faults of one place share a mark; a mark within another one is left out, and its label goes to the outer.
 * @param {Place[]} places
 */
function merged(places) {
  const sorted = [...places].sort((one, other) => one.start - other.start || other.end - one.end);
  const result = [];
  for (const place of sorted) {
    const before = result[result.length - 1];
    if (before && place.start < before.end) before.label += `, ${place.label}`;
    else result.push({ ...place });
  }
  return result;
}

/**
 * Where each path's value stands in a text that holds JSON; the JSON may be fenced, or end too early.
 * @param {string} text
 * @param {Set<string>} wanted
 */
function pathRanges(text, wanted) {
  const found = new Map();
  if (!wanted.size) return found;
  for (const match of text.matchAll(/[[{]/g)) {
    scanValue(text, match.index, "$", 0, (path, start, end) => {
      // Of an array or object only the bracket: marking all of it would mark nothing.
      if (wanted.has(path)) found.set(path, { start, end: "[{".includes(text[start]) ? start + 1 : end });
    });
    if (found.size) return found;
  }
  return found;
}

/**
 * Reads one value and reports it and all inside; returns where it ends, or -1 where the text is no JSON from there on.
 * @param {string} text
 * @param {number} at
 * @param {string} path
 * @param {number} depth
 * @param {FoundValue} report
 * @returns {number}
 */
function scanValue(text, at, path, depth, report) {
  const start = skipBlank(text, at);
  if (depth > MOST_DEPTH || start >= text.length) return -1;
  if (text[start] === "[" || text[start] === "{") {
    report(path, start, start + 1);
    return scanMembers(text, start, path, depth, report);
  }
  const end = text[start] === '"' ? stringEnd(text, start) : tokenEnd(text, start);
  if (end > 0) report(path, start, end);
  return end;
}

/**
 * @param {string} text
 * @param {number} start
 * @param {string} path
 * @param {number} depth
 * @param {FoundValue} report
 * @returns {number}
 */
function scanMembers(text, start, path, depth, report) {
  const keyed = text[start] === "{";
  const close = keyed ? "}" : "]";
  let at = skipBlank(text, start + 1);
  for (let position = 0; at < text.length && text[at] !== close; position += 1) {
    let step = `[${position}]`;
    if (keyed) {
      const end = text[at] === '"' ? stringEnd(text, at) : -1;
      if (end < 0) return -1;
      step = keyStep(text.slice(at, end));
      at = skipBlank(text, end);
      if (text[at] !== ":") return -1;
      at += 1;
    }
    at = scanValue(text, at, path + step, depth + 1, report);
    if (at < 0) return -1;
    at = skipBlank(text, at);
    if (text[at] === ",") at = skipBlank(text, at + 1);
    else if (text[at] !== close) return -1;
  }
  return at < text.length ? at + 1 : -1;
}

/** @param {string} quoted */
function keyStep(quoted) {
  let key = quoted;
  try {
    key = JSON.parse(quoted);
  } catch {
    return `[${quoted}]`;
  }
  return PLAIN_KEY.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/**
 * @param {string} text
 * @param {number} at
 */
function skipBlank(text, at) {
  let position = at;
  while (" \t\n\r".includes(text[position] || "x")) position += 1;
  return position;
}

/**
 * @param {string} text
 * @param {number} start
 */
function stringEnd(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return -1;
}

/**
 * @param {string} text
 * @param {number} start
 */
function tokenEnd(text, start) {
  const match = /[^\s,\]}[{":]+/y;
  match.lastIndex = start;
  return match.test(text) ? match.lastIndex : -1;
}

/**
 * Python counts characters, JavaScript UTF-16 units.
 * @param {string} text
 * @param {number} characters
 */
function utf16Offset(text, characters) {
  let units = 0;
  let left = characters;
  while (left > 0 && units < text.length) {
    units += widthAt(text, units);
    left -= 1;
  }
  return units;
}

/**
 * @param {string} text
 * @param {number} at
 */
function widthAt(text, at) {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

/**
 * A verdict's offset as a place in a part of the reply; at the text's very end there is nothing to mark but the end.
 * @param {TextPart} part
 * @param {number | null | undefined} mark
 * @returns {Place[]}
 */
function offsetPlace(part, mark) {
  const [start, text] = part;
  if (mark === null || mark === undefined || mark < start) return [];
  const at = utf16Offset(text, mark - start);
  if (at > text.length || (at === text.length && mark - start > [...text].length)) return [];
  return [{ start: at, end: Math.min(at + widthAt(text, at), text.length), label: "here" }];
}

/**
 * @param {string} text
 * @param {Place[]} places
 */
function markedNodes(text, places) {
  const nodes = [];
  let last = 0;
  for (const { start, end, label } of places) {
    nodes.push(...textNodes(text.slice(last, start)));
    const shown = text.slice(start, end) || "⟨end of the reply⟩";
    nodes.push(
      el("mark", { title: `offending place: ${label}` }, shown === "\n" ? "⏎\n" : shown, el("sup", {}, label)),
    );
    last = end;
  }
  nodes.push(...textNodes(text.slice(last)));
  return nodes;
}
