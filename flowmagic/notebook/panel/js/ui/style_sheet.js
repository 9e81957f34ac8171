// The style sheet of all panels of a page.

import { element } from "./elements.js";

/**
 * Put the style sheet where an element is, unless it is there. anywidget's own way would set it again for each
 * further panel, and so have the styles of all of them computed anew.
 * @param {HTMLElement} el an element of the page, or of a shadow root, which no sheet of the page reaches
 * @param {string} css
 */
export function addStyleSheet(el, css) {
  const root = el.getRootNode();
  const scope = root instanceof ShadowRoot ? root : document.head;
  let sheet = scope.querySelector("style.fm-style-sheet");
  if (!sheet) scope.append((sheet = element("style", "fm-style-sheet")));
  if (sheet.textContent !== css) sheet.textContent = css;
}
