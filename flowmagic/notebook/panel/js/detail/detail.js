// The details of the open instance.

import { element, icon, keepKeys, setStatus, write } from "../ui/elements.js";
import { duration, number, plural } from "../ui/format.js";
import { ScrollPosition } from "../ui/scroll_position.js";
import { CopyButton } from "./copy_button.js";
import { OutputParts } from "./output.js";

/** @import { AttemptDetail, CopyDetail, ParamDetail } from "../store/protocol.js" */

const FEW = 3; // earlier attempts that are listed unfolded

/** Shows what each node copy of an instance received and did, and its earlier attempts. */
export class InstanceDetail {
  constructor(view) {
    this.view = view;
    this.drawn = null;
    this.drawnOutputs = 0;
    /** @type {Map<string, boolean>} what the user folded (false) or unfolded (true) */
    this.folds = new Map();
    this.wait = element("span", "fm-chip fm-cool");
    this.copyButton = new CopyButton("Copy as code", "a cell that reruns only this instance", "copy");
    this.outputParts = new OutputParts(view);
    this.root = element("section", "fm-detail", { "aria-label": "Opened instance", tabindex: "-1" });
    this.root.hidden = true;
    this.scroll = new ScrollPosition(this.root, () => {});
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") view.close();
    });
  }

  remove() {
    this.copyButton.remove();
    this.outputParts.reset();
  }

  draw() {
    const { openIndex, detail, header, outputs } = this.view.store;
    const { root } = this;
    root.hidden = openIndex === null;
    if (openIndex === null) {
      this.drawn = null;
      this.scroll.top = 0;
      root.replaceChildren();
      return;
    }
    if (this.drawn !== (detail ?? openIndex) || this.drawnOutputs !== outputs.version) {
      if (this.index !== openIndex) {
        this.folds.clear();
        this.copyButton.reset();
        this.outputParts.reset();
      }
      this.index = openIndex;
      this.drawn = detail ?? openIndex;
      this.drawnOutputs = outputs.version;
      this.redraw(() => this.parts(openIndex, detail));
    }
    write(this.wait, this.view.store.waitOf(openIndex));
    if (this.cancel) this.cancel.hidden = this.view.gone || !header.can.includes("cancel");
  }

  /** Rebuild everything, but keep the scroll position and the focus. */
  redraw(parts) {
    const { root } = this;
    const { top } = this.scroll;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const held = focused && root.contains(focused) ? focused.dataset.key ?? "" : null;
    root.replaceChildren(...parts());
    keepKeys(root);
    root.scrollTop = top;
    if (held !== null) {
      const again = [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === held);
      (again ?? root).focus({ preventScroll: true });
    }
  }

  parts(index, detail) {
    const close = element("button", "fm-close", { type: "button", "aria-label": "Close", title: "Close (Escape)", "data-key": "close" }, "×");
    close.addEventListener("click", () => this.view.close());
    const svg = icon();
    const word = element("span");
    const chip = element("span", "fm-chip", {}, svg, word);
    const facts = element("span", "fm-quiet fm-num");
    const head = element("div", "fm-detail-head", {},
      element("strong", "fm-num", {}, `Instance ${number.format(index)}`), chip, this.wait, facts, close);
    this.cancel = null;
    if (!detail) {
      write(facts, "waiting for the kernel…");
      chip.hidden = true;
      return [head];
    }
    const retried = detail.history.length > 0;
    const pending = detail.status === "pending";
    setStatus(chip, svg, word, detail.status, detail.restored === null ? undefined : "restored");
    if (pending && retried) write(word, "waiting to be retried");
    write(facts, [
      detail.seconds === null ? "" : duration(detail.seconds),
      detail.started === null ? "" : `started at ${duration(detail.started)}`,
      pending && retried ? `${plural(detail.attempts, "attempt")} so far` : detail.attempts > 1 ? `attempt ${detail.attempts}` : "",
    ].filter(Boolean).join(" · "));
    this.copyButton.setText(detail.code);
    head.append(...this.copyButton.roots);
    if (pending || detail.status === "running") head.append(this.cancelButton(index));
    const parts = [head, this.copyButton.shown];
    if (retried) parts.push(this.history(detail.history));
    // A node copy shows its own error; an error from elsewhere is shown here.
    if (detail.error && !detail.copies.some((copy) => copy.error === detail.error)) parts.push(element("div", "fm-error", {}, detail.error));
    parts.push(...detail.copies.map((_, i) => this.copy(detail.copies, i, 0)));
    if (!detail.copies.length && !detail.note && detail.restored === null && !(pending && retried)) {
      parts.push(element("div", "fm-quiet", {}, pending ? "Not started yet." : "No node has run."));
    }
    if (detail.restored !== null) {
      parts.push(element("div", "fm-quiet", {}, `Restored from run ${detail.restored}. It did not run in this one.`));
    }
    if (detail.note) parts.push(element("div", "fm-quiet", {}, detail.note));
    if (detail.output) parts.push(this.outputParts.part(detail.output, index, 0, -1));
    if (detail.traceback) parts.push(this.text("Traceback", "trace", detail.traceback));
    if (detail.printed) {
      parts.push(element("div", "fm-quiet fm-printed", {}, "What it printed"), this.text("What it printed", "output", detail.printed));
    }
    return parts;
  }

  /** A multi-line text with its own scroll bars. */
  text(name, key, text) {
    const made = element("pre", "fm-trace", { tabindex: "0", "aria-label": name, "data-key": key });
    made.textContent = text;
    return made;
  }

  cancelButton(index) {
    const button = element("button", "fm-button fm-small", {
      type: "button", title: "Cancel this instance; the others continue", "data-key": "cancel",
    }, "Cancel this one");
    button.addEventListener("click", () => {
      if (button.hasAttribute("aria-disabled")) return;
      // Not `disabled`, which would lose the focus.
      button.setAttribute("aria-disabled", "true");
      write(button, "Cancelling…");
      this.view.store.send({ type: "cancel", index });
    });
    this.cancel = button;
    return button;
  }

  /** @param {AttemptDetail[]} attempts */
  history(attempts) {
    const list = attempts.map((attempt) => {
      const line = element("summary", "", { "data-key": `attempt-${attempt.number}` },
        element("span", "fm-attempt-status", { "data-status": attempt.status }, icon(attempt.status), `Attempt ${attempt.number}`), " ",
        element("span", "fm-quiet fm-num", {}, `${attempt.status} after ${duration(attempt.seconds)}`), " ",
        element("span", "fm-attempt-error", {}, attempt.error));
      const copies = attempt.copies.map((_, i) => this.copy(attempt.copies, i, attempt.number));
      if (attempt.printed) copies.push(this.text(`What attempt ${attempt.number} printed`, `output-${attempt.number}`, attempt.printed));
      if (attempt.note) copies.push(element("div", "fm-quiet", {}, attempt.note));
      if (!copies.length) copies.push(element("div", "fm-quiet", {}, "No node has run."));
      return this.fold(`attempt-${attempt.number}`, false, "fm-attempt", line, ...copies);
    });
    const title = element("summary", "fm-quiet", { "data-key": "history" }, plural(attempts.length, "earlier attempt"));
    return this.fold("history", attempts.length <= FEW, "fm-history", title, ...list);
  }

  /** A part that can be folded; it stays as the user left it when everything is rebuilt. */
  fold(key, open, className, ...children) {
    const made = element("details", className, {}, ...children);
    made.open = this.folds.get(key) ?? open;
    made.addEventListener("toggle", () => this.folds.set(key, made.open));
    return made;
  }

  /** @param {number} attempt the number of an earlier attempt; 0 for the last one */
  copy(copies, position, attempt) {
    const copy = copies[position];
    const times = `from ${duration(copy.started)}${copy.seconds === null ? "" : ` · for ${duration(copy.seconds)}`}`;
    const ended = copy.error ? "raised" : copy.seconds === null ? "running" : copy.action === null ? "" : `action ${copy.action}`;
    const head = element("div", "fm-copy-head", {},
      element("span", "fm-quiet fm-num", {}, `${position + 1}`),
      element("span", "fm-node", {}, copy.node),
      element("span", "fm-quiet fm-num", {}, times),
      element("span", copy.error ? "fm-action fm-bad" : "fm-action", {}, ended),
      ...(copy.remark ? [element("span", "fm-quiet", {}, copy.remark)] : []));
    const params = paramElements(copies, position, (...parts) => this.fold(...parts), `same-${position}-${attempt}`);
    const part = element("section", "fm-copy", { "aria-label": `Node copy ${position + 1}: ${copy.node}` }, head, ...params);
    if (copy.depth) part.style.marginInlineStart = `${Math.min(copy.depth, 6) * 14}px`;
    if (copy.error) part.append(element("div", "fm-error", {}, copy.error));
    else if (copy.output) part.append(this.outputParts.part(copy.output, this.index, attempt, position));
    return part;
  }
}

const FEW_SAME = 2; // with fewer unchanged params, they are not folded
const UNREAD = "M1.2 6Q6 0.2 10.8 6Q6 11.8 1.2 6zM2 10.5l8-9"; // a crossed-out eye
const SOURCES = {
  flow: "one of the flow's own params",
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
    if (source && source !== "batch") what.append(" ", sourcePart(source));
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
  if (same.length < FEW_SAME) return [list(params)];
  const others = params.filter(({ mark }) => mark);
  const where = previous === position - 1 ? "before" : `in ${previous + 1} ${copies[previous]?.node ?? ""}`;
  const title = element("summary", "fm-quiet", { "data-key": key }, `same ${plural(same.length, "param")} as ${where}`);
  const folded = fold(key, false, "fm-same-params", title, list(same));
  return others.length ? [list(others), folded] : [folded];
}
