// Plays the run that docs/live_panel.py has recorded, with the panel's own script and no kernel.

/** @param {string} text in base64 @returns {DataView} */
const decoded = (text) => new DataView(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);

/** What the panel's script expects of anywidget; nothing receives its commands. */
class Model {
  constructor(state) {
    this.state = state;
    this.callbacks = { change: [], "msg:custom": [] };
  }

  get(name) {
    return this.state[name];
  }

  on(event, callback) {
    this.callbacks[event]?.push(callback);
  }

  off() {}

  send() {}

  /** @param {{method: string, state?: object, content?: object, buffer_paths?: string[][], buffers: string[]}} message */
  receive({ method, state, content, buffer_paths: paths, buffers }) {
    const views = buffers.map(decoded);
    if (method === "update") {
      Object.assign(this.state, state);
      (paths ?? []).forEach(([name], at) => (this.state[name] = views[at]));
      this.callbacks.change.forEach((callback) => callback());
    } else {
      this.callbacks["msg:custom"].forEach((callback) => callback(content, views));
    }
  }
}

async function play(element) {
  const { script, state, messages } = await (await fetch(new URL("run.json", import.meta.url))).json();
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: panel } = await import(address);
  const model = new Model(state);
  model.receive(messages[0]);
  panel.initialize({ model });
  panel.render({ model, el: element });
  for (const message of messages.slice(1)) {
    setTimeout(() => model.receive(message), 1000 * (message.at - messages[0].at));
  }
}

for (const element of document.querySelectorAll(".live-panel")) play(element);
