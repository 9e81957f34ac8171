// Where the cells of the overview lie: line after line, in whole pixels of the screen.

const CARDS = 60; // instances that may be drawn as cards with words, if there is room
const CARD = { widths: [190, 160, 130, 96], widest: 300, height: 38, most: 232 }; // in CSS pixels, as all of these
const HEIGHT = 180; // of the overview, at most; what is beyond it scrolls
const LARGEST = 22; // side of a square, with the gap

/**
 * Lengths in pixels of the screen. One instance is one cell, whatever their number: of a cell that
 * stood for several one could not say what it shows, nor open it.
 * @typedef {{kind: "none" | "cards" | "squares" | "pixels", n: number, columns: number, lines: number,
 *   dx: number, dy: number, gap: number, width: number, height: number, shown: number, scale: number}} Layout
 */

/**
 * @param {number} n instances
 * @param {number} width in CSS pixels
 * @param {number} scale pixels of the screen per CSS pixel
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
  const columns = Math.ceil(n / lines); // lines of the same length, rather than a rest
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

/** Lines that begin at round numbers, where there are many cells in a line. */
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

/** @param {Layout} one @param {Layout} other @returns {boolean} whether cells lie where they lay */
export function sameLayout(one, other) {
  return one.kind === other.kind && one.columns === other.columns && one.dx === other.dx && one.dy === other.dy
    && one.width === other.width && one.shown === other.shown && one.scale === other.scale;
}

/** @param {Layout} layout @returns {number} the instance whose cell is at a point, or -1 */
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
 * @returns {number | null} where a key leads from an instance; null: it is no key of a grid's
 */
export function keyTo({ n, columns, dy, shown }, key, from) {
  const page = columns * Math.max(1, Math.floor(shown / dy / 2));
  const steps = {
    ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page,
    Home: -Infinity, End: Infinity,
  };
  if (!(key in steps)) return null;
  const to = from + steps[key];
  // A line up from the first, or down from the last: stay, rather than jump to its end.
  if (Math.abs(steps[key]) === columns && columns > 1 && (to < 0 || to >= n)) return from;
  return Math.max(0, Math.min(n - 1, to));
}
