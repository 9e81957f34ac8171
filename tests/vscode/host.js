// What VS Code's Jupyter extension does around its bundle of widgets, as far as a widget can tell.

import { ServerConnection } from "@jupyterlab/services";
import { KernelConnection } from "@jupyterlab/services/lib/kernel/default.js";
import { activate } from "/webview/ipywidgets.js";

const VIEW = "application/vnd.jupyter.widget-view+json";

/** The extension's socket knows no protocols: buffers travel in Jupyter's first format. */
class Socket extends WebSocket {
  constructor(url) {
    super(url);
  }
}

/** Where the bundle gets the front ends of other people's widgets: beside the kernel. */
const scripts = {
  widgetsRegisteredInRequireJs: new Set(),
  async loadWidgetScript(name) {
    window.requirejs.config({ paths: { [name]: `/webview/nbextensions/${name}/index` } });
    this.widgetsRegisteredInRequireJs.add(name);
  },
  successHandler() {},
  errorHandler(name, module, version, error) {
    window.failures.push(`${module}.${name} ${version}: ${error}`);
  },
};

/** The extension makes buttons reachable by keyboard, once what it shows has settled. */
function makeReachable(output) {
  for (const button of output.querySelectorAll("button:not([tabindex]), a[href]:not([tabindex])")) {
    button.tabIndex = 0;
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    });
  }
}

window.failures = [];
window.buffers = new Set();

/** @param {string} id of a kernel @param {string} token of its server */
window.connect = async (id, token) => {
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: location.origin,
    wsUrl: location.origin.replace("http", "ws"),
    token,
    appendToken: true,
    WebSocket: Socket,
  });
  const kernel = new KernelConnection({ model: { id, name: "python3" }, serverSettings });
  await kernel.info;
  kernel.iopubMessage.connect((_, message) => {
    for (const each of message.buffers ?? []) window.buffers.add(each.constructor.name);
  });
  activate();
  window.vscIPyWidgets8.load();
  const manager = new window.vscIPyWidgets.WidgetManager(kernel, null, scripts, () => {});

  const show = async (data) => {
    const output = document.createElement("div");
    output.className = "output cell-output-ipywidget-background";
    output.tabIndex = 0;
    output.setAttribute("role", "region");
    document.querySelector("#container").append(output);
    const model = await manager.get_model(data.model_id);
    await manager.display_view(data, await manager.create_view(model, { el: output }), { node: output });
    setTimeout(() => makeReachable(output), 500);
  };

  /** Run a cell; its widgets appear below those of earlier cells. */
  window.execute = async (code) => {
    const future = kernel.requestExecute({ code });
    future.onIOPub = ({ content, header }) => {
      if (header.msg_type === "error") window.failures.push(`${content.ename}: ${content.evalue}`);
      if (content.name === "stderr") window.failures.push(content.text);
      if (content.data?.[VIEW]) show(content.data[VIEW]).catch((error) => window.failures.push(String(error)));
    };
    await future.done;
  };

  window.value = async (expression) => {
    const user_expressions = { value: `__import__("json").dumps(${expression})` };
    const future = kernel.requestExecute({ code: "", silent: true, store_history: false, user_expressions });
    return (await future.done).content.user_expressions.value;
  };
};
