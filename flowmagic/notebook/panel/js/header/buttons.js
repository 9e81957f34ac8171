// The buttons of the run: only those that can act now are shown.

import { FAILED } from "../store/protocol.js";
import { element, write } from "../ui/elements.js";
import { number } from "../ui/format.js";

/**
 * In their order. Of several commands of one button, the possible one is shown, so that the focus
 * stays where it is when a run is paused.
 */
const BUTTONS = [["pause", "resume"], ["stop"], ["cancel"], ["run"], ["rest"], ["retry"]];

const TITLES = {
  run: "Run the param list with this limit",
  pause: "Start no more instances until you press Resume; running instances continue",
  resume: "Continue starting instances",
  stop: "Start no more instances; running instances finish",
  cancel: "Start no more instances, and cancel the running ones",
  rest: "Run the instances that were cancelled or never started, in the same rows",
  retry: "Run the failed instances again, with the same params",
};

export class RunButtons {
  constructor(view) {
    this.view = view;
    this.buttons = BUTTONS.map((commands) => {
      const button = element("button", "fm-button", { type: "button" });
      button.addEventListener("click", () => this.press(button.dataset.command));
      return { commands, button };
    });
    this.root = element("div", "fm-buttons", { role: "group", "aria-label": "Run controls" }, ...this.buttons.map(({ button }) => button));
  }

  press(command) {
    const { store, editor } = this.view;
    if (command !== "run") {
      store.send({ type: command });
    } else if (editor.commit()) {
      store.send({ type: "run", text: editor.edited ? store.draft : null });
      store.tab = "table";
    }
    this.view.scheduleDraw();
  }

  label(command) {
    const { header } = this.view.store;
    const again = header.status === "idle" ? "Run" : "Run again";
    return {
      run: this.view.editor.edited ? "Run edited params" : again,
      pause: "Pause", resume: "Resume", stop: "Stop", cancel: "Cancel",
      rest: `Run the ${number.format(header.left)} left`,
      retry: `Retry ${number.format(header.counts[FAILED])} failed`,
    }[command];
  }

  draw() {
    const { store, gone, editor } = this.view;
    const focused = this.buttons.find(({ button }) => button === document.activeElement);
    for (const { commands, button } of this.buttons) {
      const command = gone ? undefined : commands.find((each) => store.header.can.includes(each));
      button.hidden = command === undefined;
      if (command === undefined) continue;
      button.dataset.command = command;
      button.title = TITLES[command];
      write(button, this.label(command));
      button.disabled = command === "run" && editor.problem !== "";
    }
    // Do not lose the focus with a button that can no longer act.
    if (focused?.button.hidden) this.buttons.find(({ button }) => !button.hidden)?.button.focus();
  }
}
