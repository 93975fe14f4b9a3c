// Making nodes. Text becomes text nodes and nothing else: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";

// C0 but line break and tab, DEL, C1, what turns the direction of text or hides in it, line separators, half
// surrogate pairs: the same as plotbot/safe.py writes as escapes in a terminal.
const INVISIBLE = new RegExp(
  "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff" +
    "\\ufff9-\\ufffb\\ud800-\\udfff\\u{e0000}-\\u{e0fff}]",
  "gu",
);

function escaped(character) {
  const code = character.codePointAt(0);
  const hex = code.toString(16);
  if (character === "\r") return "\\r";
  if (code < 0x100) return "\\x" + hex.padStart(2, "0");
  return code < 0x10000 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
}

// The text as one string without anything invisible: for attributes and options, which hold no nodes.
function visible(text) {
  return String(text).replace(INVISIBLE, escaped);
}

// The text as nodes: what is invisible in it stands as an escape that looks unlike the text around it.
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

// A node with attributes and children; children are nodes or strings, and null for none.
function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    if (typeof child === "string") node.append(...textNodes(child));
    else node.append(child);
  }
  return node;
}

// What comes from outside, set apart so that its letters cannot turn the sentence around it.
function name(text, className) {
  return el("bdi", { class: className || "name" }, text);
}

function byId(id) {
  return document.getElementById(id);
}

// Boxes are placed by properties, not by style attributes: the page's policy forbids those.
function placed(node, properties) {
  for (const [property, value] of Object.entries(properties)) node.style.setProperty(property, value);
  return node;
}

function number(value) {
  return value.toLocaleString("en-US");
}

function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

function decimals(value, digits) {
  return value === null || value === undefined ? "-" : value.toFixed(digits);
}
