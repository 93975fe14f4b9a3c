// Making nodes. Text becomes text nodes and nothing else: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";

// C0 but line break and tab, DEL, C1, what turns the direction of text or hides in it, line separators, half
// surrogate pairs: the same as plotbot/safe.py writes as escapes in a terminal.
const INVISIBLE = new RegExp(
  "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff" +
    "\\ufff9-\\ufffb\\ud800-\\udfff\\u{e0000}-\\u{e0fff}]",
  "gu",
);

/** @param {string} character */
function escaped(character) {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (character === "\r") return "\\r";
  if (code < 0x100) return "\\x" + hex.padStart(2, "0");
  return code < 0x10000 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
}

/**
 * The text as one string without anything invisible: for attributes and options, which hold no nodes.
 * @param {unknown} text
 */
function visible(text) {
  return String(text).replace(INVISIBLE, escaped);
}

/**
 * The text as nodes: what is invisible in it stands as an escape that looks unlike the text around it.
 * @param {string} text
 */
function textNodes(text) {
  const nodes = [];
  let last = 0;
  for (const match of String(text).matchAll(INVISIBLE)) {
    if (match.index > last) nodes.push(document.createTextNode(text.slice(last, match.index)));
    nodes.push(el("span", { class: "escape" }, document.createTextNode(escaped(match[0]))));
    last = match.index + match[0].length;
  }
  if (last < text.length) nodes.push(document.createTextNode(text.slice(last)));
  return nodes;
}

/**
 * A node with attributes and children; children are nodes or strings, and null for none.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * @template {Element} Made
 * @param {Made} node
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, /** @type {EventListener} */ (value));
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (Array.isArray(child)) filled(node, {}, child);
    else if (typeof child === "string") node.append(...textNodes(child));
    else if (child) node.append(child);
  }
  return node;
}

/**
 * What comes from outside, set apart so that its letters cannot turn the sentence around it.
 * @param {string} text
 * @param {string} [className]
 */
function name(text, className) {
  return el("bdi", { class: className || "name" }, text);
}

/**
 * @template {keyof PageElements} Id
 * @param {Id} id
 * @returns {PageElements[Id]}
 */
function byId(id) {
  return /** @type {PageElements[Id]} */ (document.getElementById(id));
}

/**
 * The element of a class inside of one that has it.
 * @param {ParentNode} node
 * @param {string} selector
 */
function inside(node, selector) {
  return /** @type {HTMLElement} */ (node.querySelector(selector));
}

/**
 * Boxes are placed by properties, not by style attributes: the page's policy forbids those.
 * @template {HTMLElement} Made
 * @param {Made} node
 * @param {Record<string, string>} properties
 */
function placed(node, properties) {
  for (const [property, value] of Object.entries(properties)) node.style.setProperty(property, value);
  return node;
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString("en-US");
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/**
 * @param {number | null | undefined} value
 * @param {number} digits
 */
function decimals(value, digits) {
  return value === null || value === undefined ? "-" : value.toFixed(digits);
}
