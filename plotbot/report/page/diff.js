// The difference of two texts, word by word. Pure: nothing here knows the page or its data.

const MOST_WORDS = 3000;

/**
 * The pieces that turn one text into the other. Texts of more than *MOST_WORDS* words differ as a whole beyond them.
 * @param {string} before
 * @param {string} after
 * @returns {Piece[]}
 */
function difference(before, after) {
  const one = wordsIn(before);
  const other = wordsIn(after);
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (
    end < Math.min(one.length, other.length) - start &&
    one[one.length - 1 - end] === other[other.length - 1 - end]
  )
    end += 1;
  const middle = changed(one.slice(start, one.length - end), other.slice(start, other.length - end));
  return joined([
    ...one.slice(0, start).map((text) => piece("same", text)),
    ...middle,
    ...(end ? one.slice(-end) : []).map((text) => piece("same", text)),
  ]);
}

/** @param {string} text */
function wordsIn(text) {
  return text.match(/\s+|[\p{L}\p{N}_']+|[^\s\p{L}\p{N}_']/gu) || [];
}

/**
 * @param {Piece["kind"]} kind
 * @param {string} text
 * @returns {Piece}
 */
function piece(kind, text) {
  return { kind, text };
}

/**
 * The longest common subsequence of two lists of words, by dynamic programming.
 * @param {string[]} one
 * @param {string[]} other
 * @returns {Piece[]}
 */
function changed(one, other) {
  if (one.length > MOST_WORDS || other.length > MOST_WORDS)
    return [piece("gone", one.join("")), piece("new", other.join(""))];
  const width = other.length + 1;
  const longest = new Uint16Array((one.length + 1) * width);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] =
        one[i] === other[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const pieces = [];
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      pieces.push(piece("same", one[i]));
      i += 1;
      j += 1;
    } else if (j >= other.length || (i < one.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      pieces.push(piece("gone", one[i]));
      i += 1;
    } else {
      pieces.push(piece("new", other[j]));
      j += 1;
    }
  }
  return pieces;
}

/**
 * Adjacent parts of one kind as one part.
 * @param {Piece[]} pieces
 */
function joined(pieces) {
  /** @type {Piece[]} */
  const result = [];
  for (const { kind, text } of pieces) {
    const last = result[result.length - 1];
    if (!text) continue;
    if (last && last.kind === kind) last.text += text;
    else result.push({ kind, text });
  }
  return result;
}
