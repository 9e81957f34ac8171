// Which rows the table shows and in which order, while both the rows and the criteria change.

/** @import { Rows } from "../store/rows.js" */
/** @import { Filters } from "./filters.js" */

import { FAILED, PENDING, SUCCEEDED } from "../store/protocol.js";

const UPDATE_MS = 1000; // between two updates because rows have changed
const SEARCH_MS = 4000; // least time between two searches for the same text
const SEARCH_FACTOR = 4; // least time between them as a multiple of the last one's duration

export class RowOrder {
  /** @param {Filters} filters */
  constructor(view, filters) {
    this.view = view;
    this.filters = filters;
    /** @type {Uint32Array | null} the rows in their order; null for all rows in the order of the batch */
    this.order = null;
    /** @type {{sort: string, param: number, name: string, descending: boolean} | null} */
    this.sort = null;
    this.criteriaChanged = true;
    this.rowsChanged = false;
    this.updatedAt = -Infinity;
    /** The latest search in the kernel: the number of its command, its time, and the revision it saw. */
    this.searchN = 0;
    this.searchedAt = 0;
    this.searchedRevision = 0;
    this.searchTook = 0;
    this.timer = 0;
    this.generation = view.store.generation;
    /** @type {Uint32Array | null} the result of the latest search */
    this.searchResult = null;
  }

  markRowsChanged() {
    this.rowsChanged = true;
  }

  /** Whether the kernel has to search, because the page does not have all params. */
  get needsSearch() {
    return this.filters.text !== "" || this.filters.group !== null || this.sort?.sort === "param";
  }

  get searching() {
    return this.needsSearch && this.searchN > 0 && !this.view.gone;
  }

  /** Apply changed filters or a changed sort. */
  changeCriteria() {
    this.criteriaChanged = true;
    if (this.needsSearch) this.search();
    else this.searchResult = null;
    this.view.scheduleDraw();
  }

  /** Sort by a column: ascending first, then descending, then not at all. */
  sortBy(sort, param, name = "") {
    const same = this.sort !== null && this.sort.sort === sort && this.sort.param === param;
    const wasDescending = same && this.sort?.descending;
    this.sort = wasDescending ? null : { sort, param, name, descending: same };
    this.changeCriteria();
  }

  /** @returns {string} the value of aria-sort */
  direction(sort, param) {
    if (this.sort === null || this.sort.sort !== sort || this.sort.param !== param) return "";
    return this.sort.descending ? "descending" : "ascending";
  }

  search() {
    const { store, id } = this.view;
    const byParam = this.sort?.sort === "param" ? this.sort : null;
    const [sort, descending] = [byParam?.param ?? null, byParam?.descending ?? false];
    this.searchN = store.send({ type: "search", view: id, text: this.filters.text, group: this.filters.group, sort, descending });
    this.searchedAt = performance.now();
    this.searchedRevision = this.revision;
  }

  /** Changes when a search may find other rows: with the number of rows and, for a text or a group, of ended ones. */
  get revision() {
    const { header, rows } = this.view.store;
    return (this.filters.text || this.filters.group !== null ? header.counts[FAILED] + header.counts[SUCCEEDED] : 0) + rows.count;
  }

  /** Search again, since the result refers to other rows or columns. */
  restart() {
    const { store, gone } = this.view;
    this.generation = store.generation;
    if (this.sort?.sort === "param") {
      const param = store.columns.names.indexOf(this.sort.name);
      this.sort = param < 0 ? null : { ...this.sort, param };
    }
    this.criteriaChanged = true;
    this.searchN = 0;
    if (this.needsSearch && !gone) this.search();
    else this.searchResult = null;
  }

  /** Read the result of a search, and search again if it is out of date. */
  updateSearch() {
    const { store, gone } = this.view;
    if (store.generation !== this.generation) this.restart();
    const result = store.searchResults.get(this.searchN);
    if (result) {
      store.searchResults.delete(this.searchN);
      this.searchResult = result;
      this.searchTook = performance.now() - this.searchedAt;
      this.searchN = 0;
      this.criteriaChanged = true;
    }
    if (!this.needsSearch || gone || this.searchN !== 0 || this.revision === this.searchedRevision) return;
    const pause = Math.max(SEARCH_MS, SEARCH_FACTOR * this.searchTook) - (performance.now() - this.searchedAt);
    if (pause > 0) this.refreshLater(pause);
    else this.search();
  }

  /** Update the order if necessary; returns whether that was done. */
  refresh() {
    this.updateSearch();
    const { store } = this.view;
    const now = performance.now();
    const plain = !this.filters.active && !this.sort;
    if (!this.criteriaChanged && (plain || !this.rowsChanged)) return false;
    if (!this.criteriaChanged && now - this.updatedAt < UPDATE_MS) {
      this.refreshLater(UPDATE_MS - (now - this.updatedAt));
      return false;
    }
    this.criteriaChanged = this.rowsChanged = false;
    this.updatedAt = now;
    const { status, node } = this.filters;
    const byPage = this.sort?.sort === "param" ? null : this.sort;
    const criteria = { status, node, sort: byPage?.sort ?? null, descending: byPage?.descending ?? false };
    this.order = plain ? null : orderOf(store.rows, criteria, store.header.nodes, this.needsSearch ? this.searchResult : null, store.elapsed);
    return true;
  }

  /** Schedule a draw: after the end of a run, nothing else would cause one. */
  refreshLater(milliseconds) {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.view.scheduleDraw();
    }, milliseconds);
  }

  remove() {
    clearTimeout(this.timer);
  }

  get count() {
    return this.order ? this.order.length : this.view.store.rows.count;
  }

  /** @returns {number} the row at a position */
  at(position) {
    return this.order ? this.order[position] : position;
  }

  /** @returns {number} the position of a row; -1 if it is not shown */
  positionOf(index) {
    return this.order ? this.order.indexOf(index) : index;
  }
}

/** @typedef {{status: Set<number>, node: string | null, sort: string | null, descending: boolean}} Criteria
 *   `sort`: "index", "status" or "seconds"; null keeps the order */

/**
 * @param {Rows} rows
 * @param {Criteria} criteria
 * @param {string[]} nodes the names of the nodes, by the numbers in the rows
 * @param {Uint32Array | null} searchResult the rows that the kernel found, in its order; null for all
 * @param {number} now seconds since the run started
 * @returns {Uint32Array | null} the rows to show; null for all in the order of the batch
 */
export function orderOf(rows, criteria, nodes, searchResult, now) {
  const filtered = filter(rows, criteria, nodes, searchResult);
  if (criteria.sort === null || (criteria.sort === "index" && !criteria.descending && !searchResult)) return filtered;
  const order = filtered ?? upTo(rows.count);
  return sorted(order, keysOf(rows, criteria.sort, now), criteria.descending);
}

function filter(rows, { status, node }, nodes, searchResult) {
  const candidates = searchResult ? searchResult.filter((i) => i < rows.count) : null;
  if (!status.size && node === null) return candidates;
  const wanted = nodes.map((name) => node === null || name === node);
  const kept = new Uint32Array(candidates ? candidates.length : rows.count);
  let n = 0;
  for (let at = 0; at < kept.length; at += 1) {
    const i = candidates ? candidates[at] : at;
    if (status.size && !status.has(rows.status[i])) continue;
    // A pending row is at no node; after a failed attempt, its number is that attempt's node.
    if (node !== null && (rows.status[i] === PENDING || !wanted[rows.node[i]])) continue;
    kept[n] = i;
    n += 1;
  }
  return kept.subarray(0, n);
}

const LAST = 0xffffffff;

/** Returns a function from rows to integers to sort by; `LAST` if there is nothing to compare. */
function keysOf(rows, sort, now) {
  const { status, started, ended } = rows;
  if (sort === "status") return (i) => status[i];
  if (sort === "seconds") {
    return (i) => {
      const seconds = (Number.isNaN(ended[i]) ? now : ended[i]) - started[i];
      return Number.isNaN(seconds) || status[i] === PENDING ? LAST : Math.min(LAST - 1, Math.max(0, Math.round(1e4 * seconds)));
    };
  }
  return (i) => i;
}

/** A radix sort with two passes over 16 bits: stable, and equally fast for every order. */
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
