// Converts a param list between text and a sheet of rows and columns, and parses pasted text.
//
// A cell is the JSON of its value as it was written (1.0 stays 1.0), or null if the row has no such param.

/** @typedef {(string | null)[]} Cells */
/** @typedef {{columns: string[], rows: Cells[]}} Sheet */

export const MAX_ROWS = 1000; // the most that can be edited, as in `param_text.py`
export const MAX_COLUMNS = 100;

const WORDS = /"(?:[^"\\]|\\.)*"|(?<![\w.])(?:NaN|-?Infinity)(?![\w.])/g;

/** Parse JSON as Python writes it, with NaN and Infinity; these become null. */
export function parseJson(text) {
  return JSON.parse(text.replace(WORDS, (word) => (word[0] === '"' ? word : "null")));
}

/** @param {string} text @returns {Sheet | {reason: string}} */
export function readSheet(text) {
  let rows;
  try {
    rows = parseJson(text);
  } catch {
    return { reason: "This is not JSON (perhaps Python literals), so it is edited as text." };
  }
  if (!Array.isArray(rows) || !rows.every(isDict)) return { reason: "This is not a list of dicts, so it is edited as text." };
  const dicts = itemsOf(text.trim()).map(pairsOf);
  const columns = [...new Set(dicts.flatMap((pairs) => [...pairs.keys()]))];
  if (columns.length > MAX_COLUMNS) return { reason: `More than ${MAX_COLUMNS} params, so it is edited as text.` };
  return { columns, rows: dicts.map((pairs) => columns.map((name) => pairs.get(name) ?? null)) };
}

/** The items of a valid JSON list or dict, as they were written. */
function itemsOf(text) {
  const items = [];
  let [depth, from, inText] = [0, 1, false];
  for (let at = 1; at < text.length - 1; at += 1) {
    const letter = text[at];
    if (inText) {
      if (letter === "\\") at += 1;
      else if (letter === '"') inText = false;
    } else if (letter === '"') inText = true;
    else if (letter === "[" || letter === "{") depth += 1;
    else if (letter === "]" || letter === "}") depth -= 1;
    else if (letter === "," && depth === 0) {
      items.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  const last = text.slice(from, -1).trim();
  return last ? [...items, last] : items;
}

/** @returns {Map<string, string>} */
function pairsOf(dict) {
  return new Map(itemsOf(dict).map((pair) => {
    let at = 1;
    while (pair[at] !== '"') at += pair[at] === "\\" ? 2 : 1;
    return [JSON.parse(pair.slice(0, at + 1)), pair.slice(pair.indexOf(":", at) + 1).trim()];
  }));
}

/** @param {Sheet} sheet @returns {string} one dict per line, as the kernel writes it */
export function writeSheet({ columns, rows }) {
  const lines = rows.map((cells) => {
    const pairs = columns.flatMap((name, at) => (cells[at] === null ? [] : [`${JSON.stringify(name)}: ${cells[at]}`]));
    return `  {${pairs.join(", ")}}`;
  });
  return lines.length ? `[\n${lines.join(",\n")}\n]` : "[]";
}

/** @param {string | null} cell @returns {string} the text to show and edit: a string without quotes, unless that would be ambiguous */
export function shownCell(cell) {
  if (cell === null) return "";
  if (cell[0] !== '"') return cell;
  const text = JSON.parse(cell);
  const read = readCell(text);
  return read.cell === JSON.stringify(text) && !/[\0-\x1f]/.test(text) ? text : cell;
}

/**
 * @param {string} shown what was typed; if it is empty, the row has no such param
 * @returns {{cell: string | null, problem: string}}
 */
export function readCell(shown) {
  const text = shown.trim();
  if (text === "") return { cell: shown === "" ? null : JSON.stringify(shown), problem: "" };
  try {
    parseJson(text);
    return { cell: text, problem: "" };
  } catch {
    if (/^[[{"]/.test(text)) {
      return { cell: null, problem: `${text.slice(0, 40)} starts like JSON but is not valid JSON. Put text that starts with [ or { in quotes: "[x]".` };
    }
    return { cell: JSON.stringify(shown), problem: "" };
  }
}

/** @param {string | null} cell @returns {string} "number", "text", "none" or "json" */
export function kindOf(cell) {
  if (cell === null) return "none";
  if (cell[0] === '"') return "text";
  return /^-?(?:\d|Infinity)|^NaN/.test(cell) ? "number" : "json";
}

/**
 * Split text from a spreadsheet (tabs) or CSV. It counts as CSV only if each line has the same number
 * of fields, so that commas in sentences do not split it.
 * @param {string} text @returns {string[][]}
 */
export function splitPasted(text) {
  const body = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n").replace(/\n$/, "");
  if (!body.includes("\t")) {
    for (const mark of [",", ";"]) {
      const lines = splitBy(mark, body);
      if (lines.length > 1 && lines[0].length > 1 && lines.every((line) => line.length === lines[0].length)) return lines;
    }
  }
  return splitBy("\t", body);
}

function splitBy(mark, body) {
  // A quote that is not closed at the end of its field belongs to the text.
  const field = new RegExp(`"([^"]*(?:""[^"]*)*)"(?=${mark}|\n|$)|[^${mark}\n]*`, "y");
  /** @type {string[][]} */
  const lines = [[]];
  for (let at = 0; at <= body.length; at = field.lastIndex + 1) {
    field.lastIndex = at;
    const [plain, quoted] = /** @type {RegExpExecArray} */ (field.exec(body));
    lines[lines.length - 1].push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (body[field.lastIndex] === "\n") lines.push([]);
  }
  return lines;
}

/**
 * Split a list of values: one per line, or separated by commas outside of brackets and quotes.
 * @param {string} text @returns {string[]}
 */
export function splitValues(text) {
  const parts = text.includes("\n") ? text.split("\n") : itemsOf(`[${text}]`);
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** @param {(string | null)[][]} block @returns {string} the text for a spreadsheet */
export function joinCopied(block) {
  // Without tabs, a single column with commas would be pasted as CSV.
  const special = block[0]?.length === 1 ? /[\t\n",;]/ : /[\t\n"]/;
  const quoted = (text) => (special.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return block.map((cells) => cells.map((cell) => quoted(shownCell(cell))).join("\t")).join("\n");
}

/**
 * Combine all values, in the order of `flowmagic.grid`: the last param changes fastest.
 * @param {{name: string, values: (string | null)[]}[]} params @returns {Sheet}
 */
export function combine(params) {
  const rows = params.reduce((made, { values }) => made.flatMap((cells) => values.map((value) => [...cells, value])), [/** @type {Cells} */ ([])]);
  return { columns: params.map(({ name }) => name), rows: params.length ? rows : [] };
}

/** @param {Sheet} sheet @param {Sheet} more @returns {Sheet} the rows of both, with the columns of both */
export function appended(sheet, more) {
  const columns = [...new Set([...sheet.columns, ...more.columns])];
  const fitted = ({ columns: names, rows }) => rows.map((cells) => columns.map((name) => (names.includes(name) ? cells[names.indexOf(name)] : null)));
  return { columns, rows: [...fitted(sheet), ...fitted(more)] };
}

export const MASK = "•••";

/**
 * `unsure`: the kernel has to check the text, too.
 * @typedef {{count?: number, message?: string, unsure?: boolean}} JsonCheck
 */

/** @type {{text: string | null, check: JsonCheck}} the last check, since there is one in each frame */
const last = { text: null, check: {} };

/** @param {string} text @returns {JsonCheck} */
export function checkJson(text) {
  if (text !== last.text) Object.assign(last, { text, check: checked(text) });
  return last.check;
}

/** @param {any} value */
export const isDict = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @returns {JsonCheck} */
function checked(text) {
  let value;
  try {
    value = parseJson(text);
  } catch {
    return { unsure: true }; // it may be a Python literal, which only the kernel can parse
  }
  if (!Array.isArray(value)) return { message: "This is not a list of dicts. Write [{…}, {…}]." };
  const bad = value.findIndex((each) => !isDict(each));
  if (bad >= 0) return { message: `Item ${bad} is not a dict of params.`, unsure: true };
  return { count: value.length, unsure: text.includes(MASK) };
}
