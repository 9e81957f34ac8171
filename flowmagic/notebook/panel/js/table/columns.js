// Which columns the table has.

import { number } from "../ui/format.js";

/** @import { Store } from "../store/store.js" */

// Lengths are CSS pixels.
const TINY = 330; // width of the table below which it does without the times
export const NARROW = 520; // width below which it has no room for node copies and actions
const PARAM = 84; // least width of a param's column, including the gap
const FIXED = { narrow: 340, wide: 400 }; // width of the other columns and their gaps, of which the output has 160
const CHAIN = 180; // least width of the node copies
const ACTION = 90; // least width of the action

/** @typedef {{kind: string, name: string, width: string, sort: string | null, param: number, numeric: boolean}} Column */

/** Whether the node copies have a column: the kernel sends them if there are few rows. */
export function hasChains(store, width) {
  return store.labels.length > 0 && width >= NARROW;
}

/**
 * @param {Store} store
 * @param {number} width of the table
 * @returns {Column[]} the columns that fit
 */
export function columnsFor(store, width) {
  const { columns: { names, numeric, more }, texts, rows, attempts } = store;
  const narrow = width < NARROW;
  const chains = hasChains(store, width);
  const actions = !narrow && texts.actions.size > 1;
  /** @returns {Column} */
  const column = (kind, name, size, sort = kind, param = -1) => ({ kind, name, width: size, sort, param, numeric: numeric[param] ?? false });
  const digits = number.format(Math.max(0, rows.count - 1)).length;
  const columns = [column("index", "#", `${Math.max(22, 8 * digits + 4)}px`), column("status", "status", "26px")];
  const fixed = (narrow ? FIXED.narrow : FIXED.wide) + (chains ? CHAIN : 0) + (actions ? ACTION : 0);
  const room = Math.max(0, Math.floor((width - fixed) / PARAM));
  const all = names.length <= room && !more;
  // If not all params fit, a column with all of them is worth more than one or two of their own.
  const shown = all ? names : names.slice(0, Math.max(0, room - 2));
  shown.forEach((name, param) => columns.push(column("param", name, numeric[param] ? `minmax(${Math.min(110, Math.max(56, 7 * name.length + 26))}px, 0.5fr)` : "minmax(0, 1fr)", "param", param)));
  if (!all || !names.length) columns.push(column("params", shown.length ? "all params" : "params", narrow ? "minmax(0, 1.1fr)" : "minmax(0, 1.4fr)", null));
  if (chains) columns.push(column("chain", "node copies", "minmax(0, 1.6fr)", null));
  columns.push(column("output", "output", narrow ? "minmax(0, 1fr)" : "minmax(0, 2.4fr)", null));
  if (actions) columns.push(column("action", "action", "minmax(0, 0.6fr)", null));
  if (width >= TINY) columns.push(column("seconds", "time", narrow ? "54px" : attempts.retried.size ? "112px" : "76px"));
  return columns;
}
