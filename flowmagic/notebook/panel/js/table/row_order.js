// The rows that the table shows, in their order, while both rows and wishes change.

/** @import { Filters } from "./filters.js" */

import { orderOf } from "./order.js";
import { FAILED } from "../store/protocol.js";

const EVERY = 1000; // milliseconds between two arrangements of rows that change by themselves
const AGAIN = 4000; // ditto, between two questions about the same text, at least
const REST = 4; // ditto, times what the answer took: the kernel has other things to do

export class Arranged {
  /** @param {Filters} filters */
  constructor(view, filters) {
    this.view = view;
    this.filters = filters;
    /** @type {Uint32Array | null} the rows, in their order; null: all, as they are */
    this.order = null;
    /** @type {{sort: string, param: number, name: string, descending: boolean} | null} */
    this.sort = null;
    this.wished = true; // whether others are wished for
    this.moved = false; // whether rows have changed since
    this.arrangedAt = -Infinity;
    /** Of the question to the kernel that counts: its number, when it was asked, what was known then. */
    this.askedN = 0;
    this.askedAt = 0;
    this.known = 0;
    this.batch = view.store.batch;
    this.took = 0;
    /** @type {Uint32Array | null} the answer */
    this.found = null;
  }

  /** Rows have changed. */
  mark() {
    this.moved = true;
  }

  /** Whether only the kernel knows: the page has no params. */
  get beyondPage() {
    return this.filters.text !== "" || this.sort?.sort === "param";
  }

  get asking() {
    return this.beyondPage && this.askedN > 0 && !this.view.gone;
  }

  /** Other rows are wanted, or another order of them. */
  wish() {
    this.wished = true;
    if (this.beyondPage) this.ask();
    else this.found = null;
    this.view.later();
  }

  /** Sort by a column; once more: the other way round; and once more: not at all. */
  sortBy(sort, param, name = "") {
    const same = this.sort !== null && this.sort.sort === sort && this.sort.param === param;
    const turned = same && this.sort?.descending;
    this.sort = turned ? null : { sort, param, name, descending: same };
    this.wish();
  }

  /** @returns {string} the value of aria-sort */
  direction(sort, param) {
    if (this.sort === null || this.sort.sort !== sort || this.sort.param !== param) return "";
    return this.sort.descending ? "descending" : "ascending";
  }

  ask() {
    const { store, id } = this.view;
    const byParam = this.sort?.sort === "param" ? this.sort : null;
    const [sort, descending] = [byParam?.param ?? null, byParam?.descending ?? false];
    this.askedN = store.send({ type: "find", view: id, text: this.filters.text, sort, descending });
    this.askedAt = performance.now();
    this.known = this.knowable;
  }

  /** What makes an answer old when it is another: rows drawn, and errors. */
  get knowable() {
    const { header, rows } = this.view.store;
    return (this.filters.text ? header.counts[FAILED] : 0) + rows.count;
  }

  /** Other rows than before, or other columns: what was asked of the old ones is asked again. */
  begin() {
    const { store, gone } = this.view;
    this.batch = store.batch;
    if (this.sort?.sort === "param") {
      const param = store.columns.names.indexOf(this.sort.name);
      this.sort = param < 0 ? null : { ...this.sort, param };
    }
    this.wished = true;
    this.askedN = 0;
    if (this.beyondPage && !gone) this.ask();
    else this.found = null;
  }

  hear() {
    const { store, gone } = this.view;
    if (store.batch !== this.batch) this.begin();
    const found = store.found.get(this.askedN);
    if (found) {
      store.found.delete(this.askedN);
      this.found = found;
      this.took = performance.now() - this.askedAt;
      this.askedN = 0;
      this.wished = true;
    }
    const old = this.askedN === 0 && this.knowable !== this.known && performance.now() - this.askedAt > Math.max(AGAIN, REST * this.took);
    if (this.beyondPage && old && !gone) this.ask();
  }

  /** Arrange them anew if need be; returns whether that was done. */
  refresh() {
    this.hear();
    const { store } = this.view;
    const now = performance.now();
    const plain = !this.filters.active && !this.sort;
    if (!this.wished && (plain || !this.moved || now - this.arrangedAt < EVERY)) return false;
    this.wished = this.moved = false;
    this.arrangedAt = now;
    const { status, node } = this.filters;
    const byPage = this.sort?.sort === "param" ? null : this.sort;
    const wish = { status, node, sort: byPage?.sort ?? null, descending: byPage?.descending ?? false };
    this.order = plain ? null : orderOf(store.rows, wish, store.header.nodes, this.beyondPage ? this.found : null, store.elapsed);
    return true;
  }

  get count() {
    return this.order ? this.order.length : this.view.store.rows.count;
  }

  /** @returns {number} the row at a place */
  at(place) {
    return this.order ? this.order[place] : place;
  }

  /** @returns {number} the place of a row; -1: it is not shown */
  placeOf(index) {
    return this.order ? this.order.indexOf(index) : index;
  }
}
