// Checks an edited param list as far as that is possible without the kernel; see `param_text.py`.

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
    value = JSON.parse(text);
  } catch {
    return { unsure: true }; // it may be a Python literal, which only the kernel can parse
  }
  if (!Array.isArray(value)) return { message: "This is not a list of dicts. Write [{…}, {…}]." };
  const bad = value.findIndex((each) => !isDict(each));
  if (bad >= 0) return { message: `Item ${bad} is not a dict of params.`, unsure: true };
  return { count: value.length, unsure: text.includes(MASK) };
}
