// Creates and updates DOM elements. Untrusted text becomes textContent, never HTML.

import { waitText } from "./format.js";

/** One path per icon, in a 12 x 12 view box. */
export const ICONS = {
  fold: "M4 2.5l4 3.5l-4 3.5",
  idle: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
  pending: "M6 2.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7z",
  running: "M6 1.5a4.5 4.5 0 1 1-4.5 4.5",
  paused: "M4 2.5v7M8 2.5v7",
  stopping: "M3 3h6v6h-6z",
  stopped: "M3 3h6v6h-6z",
  finished: "M2 6.5l2.7 2.7L10 3.2",
  succeeded: "M2 6.5l2.7 2.7L10 3.2",
  failed: "M2.8 2.8l6.4 6.4M9.2 2.8l-6.4 6.4",
  restored: "M2 4.8l2.6 2.6L9.6 2.2M2 10.4h8",
  cancelled: "M6 1.7a4.3 4.3 0 1 0 0 8.6a4.3 4.3 0 1 0 0-8.6zM3 9l6-6",
  cooling: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9zM6 3.4v2.8l1.9 1.1",
};

/** @returns {any} */
export function element(tag, className = "", attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {string} [name] */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "fm-icon");
  svg.append(document.createElementNS(space, "path"));
  if (name) setIcon(svg, name);
  return svg;
}

function setIcon(svg, name) {
  svg.firstChild.setAttribute("d", ICONS[name] ?? ICONS.idle);
}

/** Set an element's text if it differs: an unnecessary DOM write is slow. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {string} [look] the name of the icon, if it is not the status */
export function setStatus(node, svg, word, name, look = name) {
  if (node.dataset.status === name && node.dataset.look === look) return;
  node.dataset.status = name;
  node.dataset.look = look;
  setIcon(svg, look);
  write(word, name);
}

/** Set an attribute if it differs; an empty value removes it. */
export function writeAttribute(node, name, value) {
  if ((node.getAttribute(name) ?? "") === value) return;
  if (value === "") node.removeAttribute(name);
  else node.setAttribute(name, value);
}

/** @returns {any} a chip that counts down a cool-down */
export function coolChip() {
  const svg = icon("cooling");
  const word = element("span");
  const chip = element("span", "fm-chip fm-cool fm-num", {}, svg, word);
  chip.hidden = true;
  return { chip, word };
}

export function setCooling({ chip, word }, seconds) {
  chip.hidden = seconds <= 0;
  if (seconds > 0) write(word, waitText(seconds));
}

/** @returns {any} a small button */
export function smallButton(label, title, act) {
  const button = element("button", "fm-button fm-small", { type: "button", title }, label);
  button.addEventListener("click", act);
  return button;
}

/** @returns {any} a button that looks like a link */
export function link(label, act) {
  const button = element("button", "fm-link", { type: "button" }, label);
  button.addEventListener("click", act);
  return button;
}

/**
 * A button that shows and hides a part of the panel.
 * @param {string} label
 * @param {any} part
 * @param {(shown: boolean) => void} act
 * @returns {any} with `draw()`, which shows whether the part is shown
 */
export function disclosure(label, part, act) {
  const button = element("button", "fm-link", { type: "button", "aria-controls": part.id }, icon("fold"), label);
  button.addEventListener("click", () => act(part.hidden));
  button.draw = () => writeAttribute(button, "aria-expanded", String(!part.hidden));
  return button;
}

/**
 * Put a ring around a box.
 * @param {any} ring
 * @param {{x: number, y: number, width: number, height: number}} box in device pixels
 * @param {number} scale device pixels per CSS pixel
 * @param {number} least the smallest side of the ring, in CSS pixels
 */
export function frameAround(ring, { x, y, width, height }, scale, least) {
  const [wide, high] = [Math.max(least, width / scale + 4), Math.max(least, height / scale + 4)];
  const [left, top] = [x / scale + (width / scale - wide) / 2, y / scale + (height / scale - high) / 2];
  const style = `width:${wide}px;height:${high}px;transform:translate(${left}px,${top}px)`;
  if (ring.dataset.at === style) return;
  ring.dataset.at = style;
  ring.style.cssText = style;
}

/** Suppress JupyterLab's shortcuts, which check the focused element and its ancestors for this attribute. */
export function keepKeys(root) {
  for (const each of [root, ...root.querySelectorAll("button, input, select, textarea, summary, [tabindex]")]) {
    each.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}
