// What can be told of an edited param list without asking the kernel; see `paramtext.py`.

export const MASK = "•••";

/** @typedef {{count?: number, message?: string, unsure?: boolean}} Told */

/** @type {{text: string | null, told: Told}} what was asked last: it is asked in each frame */
const last = { text: null, told: {} };

/** @param {string} text @returns {Told} */
export function checkJson(text) {
  if (text !== last.text) Object.assign(last, { text, told: checked(text) });
  return last.told;
}

/** @returns {Told} */
function checked(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return { unsure: true }; // a Python literal, perhaps: the kernel knows
  }
  const isDict = (each) => typeof each === "object" && each !== null && !Array.isArray(each);
  if (!Array.isArray(value)) return { message: "This is not a list of dicts. Write [{…}, {…}]." };
  const bad = value.findIndex((each) => !isDict(each));
  if (bad >= 0) return { message: `Item ${bad} is not a dict of params.`, unsure: true };
  return { count: value.length, unsure: text.includes(MASK) };
}
