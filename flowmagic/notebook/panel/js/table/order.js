// In which order the rows are shown, and which of them.

/** @typedef {import("../store/rows.js").Rows} Rows */
/** @typedef {{status: Set<number>, node: string | null, sort: string | null, descending: boolean}} Wish
 *   `sort`: "index", "status", "node", "seconds"; null: as they come */

/**
 * @param {Rows} rows
 * @param {Wish} wish
 * @param {string[]} nodes names of the nodes, at the number that rows carry
 * @param {Uint32Array | null} found what the kernel has found, in its order; null: all
 * @param {number} now seconds since the run began
 * @returns {Uint32Array | null} the rows to show; null: all, as they are
 */
export function orderOf(rows, wish, nodes, found, now) {
  const filtered = filter(rows, wish, nodes, found);
  if (wish.sort === null || (wish.sort === "index" && !wish.descending && !found)) return filtered;
  const order = filtered ?? upTo(rows.count);
  return sorted(order, keysOf(rows, wish.sort, nodes, now), wish.descending);
}

function filter(rows, { status, node }, nodes, found) {
  const given = found ? found.filter((i) => i < rows.count) : null;
  if (!status.size && node === null) return given;
  const wanted = nodes.map((name) => node === null || name === node);
  const kept = new Uint32Array(given ? given.length : rows.count);
  let n = 0;
  for (let at = 0; at < kept.length; at += 1) {
    const i = given ? given[at] : at;
    if (status.size && !status.has(rows.status[i])) continue;
    // A row that waits for its turn is at no node, whatever its last attempt was at.
    if (node !== null && (rows.status[i] === 0 || !wanted[rows.node[i]])) continue;
    kept[n] = i;
    n += 1;
  }
  return kept.subarray(0, n);
}

const LAST = 0xffffffff;

/** Whole numbers to order rows by; `LAST` where there is nothing to compare. */
function keysOf(rows, sort, nodes, now) {
  const { status, node, started, ended } = rows;
  if (sort === "status") return (i) => status[i];
  if (sort === "node") {
    const ranks = nodes.map((name) => nodes.filter((other) => other < name).length);
    return (i) => (status[i] === 0 ? LAST : ranks[node[i]] ?? LAST);
  }
  if (sort === "seconds") {
    return (i) => {
      const seconds = (Number.isNaN(ended[i]) ? now : ended[i]) - started[i];
      return Number.isNaN(seconds) || status[i] === 0 ? LAST : Math.min(LAST - 1, Math.max(0, Math.round(1e4 * seconds)));
    };
  }
  return (i) => i;
}

/** Sort by two passes over 16 bits each: stable, and the same time whatever the order was. */
function sorted(order, keyOf, descending) {
  const n = order.length;
  const keys = new Uint32Array(n);
  for (let at = 0; at < n; at += 1) {
    const key = keyOf(order[at]);
    keys[at] = descending && key !== LAST ? LAST - 1 - key : key;
  }
  let places = upTo(n);
  for (const shift of [0, 16]) {
    const starts = new Uint32Array(65537);
    for (let at = 0; at < n; at += 1) starts[((keys[at] >>> shift) & 0xffff) + 1] += 1;
    for (let digit = 0; digit < 65536; digit += 1) starts[digit + 1] += starts[digit];
    const next = new Uint32Array(n);
    for (const at of places) {
      const digit = (keys[at] >>> shift) & 0xffff;
      next[starts[digit]] = at;
      starts[digit] += 1;
    }
    places = next;
  }
  return places.map((at) => order[at]);
}

function upTo(n) {
  const numbers = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) numbers[i] = i;
  return numbers;
}
