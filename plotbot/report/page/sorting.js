// The order of titles. Pure: nothing here knows the page or its data.

/** @type {Record<OrderKey, string>} */
const ORDERS = {
  plan: "as planned",
  passed: "answers passed",
  title: "title",
  verdict: "verdict",
  seconds: "seconds",
  speed: "tokens per second",
  tokens: "tokens answered",
  attempts: "attempts",
  length: "length of the reply",
  group: "fields of the title",
};

/**
 * The order that a text of the address names: `seconds`, `-seconds`, `-seconds@2` for the third column alone.
 * @param {string} text
 * @returns {Order}
 */
function parseOrder(text) {
  const match = /^(-?)([a-z]+)(?:@(\d{1,6}))?$/.exec(text || "");
  if (!match || !isOrder(match[2])) return { key: "plan", descending: false, column: null };
  return { key: match[2], descending: match[1] === "-", column: match[3] === undefined ? null : Number(match[3]) };
}

/**
 * @param {string} text
 * @returns {text is OrderKey}
 */
function isOrder(text) {
  return Object.hasOwn(ORDERS, text);
}

/** @param {Order} order */
function orderText({ key, descending, column }) {
  return `${descending ? "-" : ""}${key}${column === null ? "" : `@${column}`}`;
}

/**
 * Items by their values, equal ones as they came, those without a value last in both directions.
 * @template T
 * @param {T[]} items
 * @param {(item: T) => string | number | null | undefined} valueOf
 * @param {boolean} descending
 * @returns {T[]}
 */
function sorted(items, valueOf, descending) {
  const valued = items.map((item, position) => ({ item, position, value: valueOf(item) }));
  const sign = descending ? -1 : 1;
  return valued
    .sort((one, other) => {
      const missing = Number(isMissing(one.value)) - Number(isMissing(other.value));
      return missing || sign * compared(one.value, other.value) || one.position - other.position;
    })
    .map(({ item }) => item);
}

/**
 * @param {unknown} value
 * @returns {value is null | undefined}
 */
function isMissing(value) {
  return value === null || value === undefined || Number.isNaN(value);
}

/**
 * @param {string | number | null | undefined} one
 * @param {string | number | null | undefined} other
 */
function compared(one, other) {
  if (isMissing(one) || isMissing(other)) return 0;
  if (typeof one === "string" && typeof other === "string") return COLLATOR.compare(one, other);
  return one < other ? -1 : one > other ? 1 : 0;
}

const COLLATOR = new Intl.Collator("en", { numeric: true });
