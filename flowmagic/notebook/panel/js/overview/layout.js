// The layout of the overview: lines of cells, in whole device pixels.

// Lengths are CSS pixels.
const CARDS = 60; // most instances that are drawn as cards
const CARD = { widths: [190, 160, 130, 96], widest: 300, height: 38, most: 232 };
const HEIGHT = 180; // greatest height of the overview, beyond which it scrolls
const LARGEST = 22; // greatest side of a square, including the gap

/**
 * Lengths are device pixels. There is one cell per instance, however many there are: a cell for
 * several instances could neither show a status nor be opened.
 * @typedef {{kind: "none" | "cards" | "squares" | "pixels", n: number, columns: number, lines: number,
 *   dx: number, dy: number, gap: number, width: number, height: number, shown: number, scale: number}} Layout
 */

/**
 * @param {number} n the number of instances
 * @param {number} width in CSS pixels
 * @param {number} scale device pixels per CSS pixel
 * @returns {Layout}
 */
export function layout(n, width, scale) {
  const room = Math.floor(width * scale);
  if (n === 0 || room < 1) {
    return { kind: "none", n: 0, columns: 1, lines: 0, dx: 1, dy: 1, gap: 0, width: 0, height: 0, shown: 0, scale };
  }
  return (n <= CARDS && cards(n, room, scale)) || squares(n, room, scale);
}

/** @returns {Layout | null} */
function cards(n, room, scale) {
  const dy = Math.round(CARD.height * scale);
  const linesAt = (width) => Math.ceil(n / Math.floor(room / (width * scale)));
  const width = CARD.widths.find((each) => linesAt(each) * dy <= CARD.most * scale);
  if (width === undefined) return null;
  const lines = linesAt(width);
  const columns = Math.ceil(n / lines); // lines of equal length rather than a short last one
  const dx = Math.floor(Math.min(room / columns, CARD.widest * scale));
  return placed("cards", n, columns, dx, dy, Math.round(4 * scale), scale);
}

/** @returns {Layout} */
function squares(n, room, scale) {
  const smallest = Math.max(1, Math.round(scale));
  let side = Math.min(Math.round(LARGEST * scale), room);
  while (side > smallest && Math.ceil(n / columnsOf(room, side)) * side > HEIGHT * scale) side -= 1;
  const css = side / scale;
  const gap = css >= 12 ? 2 : css >= 3.5 ? 1 : 0;
  return placed(gap ? "squares" : "pixels", n, columnsOf(room, side), side, side, Math.round(gap * scale), scale);
}

/** Round the number of columns down if it is large, so that lines start at round indices. */
function columnsOf(room, side) {
  const most = Math.max(1, Math.floor(room / side));
  return most > 200 ? most - (most % 50) : most > 25 ? most - (most % 10) : most;
}

/** @returns {Layout} */
function placed(kind, n, columns, dx, dy, gap, scale) {
  const lines = Math.ceil(n / columns);
  const height = lines * dy;
  const most = kind === "cards" ? CARD.most : HEIGHT;
  return {
    kind, n, columns, lines, dx, dy, gap, width: Math.min(n, columns) * dx, height,
    shown: Math.min(height, Math.floor((most * scale) / dy) * dy), scale,
  };
}

/** @param {Layout} one @param {Layout} other @returns {boolean} whether the cells have the same positions in both */
export function sameLayout(one, other) {
  return one.kind === other.kind && one.columns === other.columns && one.dx === other.dx && one.dy === other.dy
    && one.width === other.width && one.shown === other.shown && one.scale === other.scale;
}

/** @param {Layout} layout @returns {number} the instance whose cell contains a point, or -1 */
export function cellAt({ n, columns, dx, dy }, x, y) {
  const column = Math.floor(x / dx);
  if (x < 0 || y < 0 || column >= columns) return -1;
  const index = Math.floor(y / dy) * columns + column;
  return index < n ? index : -1;
}

/** @param {Layout} layout @returns {{x: number, y: number}} the corner of a cell */
export function cornerOf({ columns, dx, dy }, index) {
  return { x: (index % columns) * dx, y: Math.floor(index / columns) * dy };
}

/**
 * @param {Layout} layout
 * @returns {number | null} the instance that a key leads to; null if the key does not move the cursor
 */
export function keyTo({ n, columns, dy, shown }, key, from) {
  const page = columns * Math.max(1, Math.floor(shown / dy / 2));
  const steps = {
    ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page,
    Home: -Infinity, End: Infinity,
  };
  if (!(key in steps)) return null;
  const to = from + steps[key];
  // Up from the first line or down from the last: stay rather than jump to the end.
  if (Math.abs(steps[key]) === columns && columns > 1 && (to < 0 || to >= n)) return from;
  return Math.max(0, Math.min(n - 1, to));
}
