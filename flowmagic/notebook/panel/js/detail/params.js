// The params of a node copy: where each came from, and whether a node has read it.

/** @import { CopyDetail, ParamDetail } from "../store/protocol.js" */

import { element, icon } from "../ui/elements.js";
import { plural } from "../ui/format.js";

const FEW = 2; // with fewer unchanged params, they are not folded
const UNREAD = "M1.2 6Q6 0.2 10.8 6Q6 11.8 1.2 6zM2 10.5l8-9"; // a crossed-out eye
const SOURCES = {
  flow: "one of the flow's own params",
  batch: "from the batch",
  "batch over flow": "from the batch, which overrides the flow's own",
};

/** @param {string} source */
function sourcePart(source) {
  const node = source.startsWith("node ") ? source.slice("node ".length) : "";
  return element("span", "fm-source", { title: SOURCES[source] ?? `set by a node, ${node} at the latest` },
    node ? `by ${node}` : source);
}

/** @param {ParamDetail[]} params */
function list(params) {
  const made = element("dl", "fm-params");
  for (const { key, value, mark, source, unread } of params) {
    const name = element("dt", mark ? "fm-marked" : "", {}, key);
    // Isolates the value's text direction from the words after it.
    const what = element("dd", mark ? "fm-marked" : "", {}, element("bdi", "", {}, value));
    if (mark) what.append(element("span", "fm-mark", {}, mark));
    if (source) what.append(" ", sourcePart(source));
    if (unread) what.append(" ", unreadPart());
    made.append(name, what);
  }
  return made;
}

function unreadPart() {
  const svg = icon();
  svg.children[0].setAttribute("d", UNREAD);
  return element("span", "fm-unread", { title: "No node of this instance has read it" }, svg, "never read");
}

/**
 * List the params; those that are unchanged since an earlier copy are folded, unless they are few.
 * @param {CopyDetail[]} copies
 * @param {number} position
 * @param {(key: string, open: boolean, className: string, ...children: any[]) => HTMLElement} fold
 * @param {string} key the key of the fold
 * @returns {HTMLElement[]}
 */
export function paramElements(copies, position, fold, key) {
  const { params, previous } = copies[position];
  if (!params.length) return [element("div", "fm-quiet fm-params", {}, "no params")];
  const same = previous === null ? [] : params.filter(({ mark }) => !mark);
  if (same.length < FEW) return [list(params)];
  const others = params.filter(({ mark }) => mark);
  const where = previous === position - 1 ? "before" : `in ${previous + 1} ${copies[previous]?.node ?? ""}`;
  const title = element("summary", "fm-quiet", { "data-key": key }, `same ${plural(same.length, "param")} as ${where}`);
  const folded = fold(key, false, "fm-same-params", title, list(same));
  return others.length ? [list(others), folded] : [folded];
}
