// What the browser tests ask JupyterLab: evaluated once in the page, kept in window.lab.
window.lab = {
  panel: () => window.jupyterapp.shell.currentWidget,

  open: async path => {
    await window.jupyterapp.commands.execute("docmanager:open", { path });
  },

  // Close the notebook and its kernel, without a question about saving.
  leave: async () => {
    const panel = lab.panel();
    await panel.sessionContext.shutdown();
    panel.context.model.dirty = false;
    panel.close();
    lab.messages = [];
  },

  // The notebook is there, and its kernel has nothing to do.
  idle: () => window.jupyterapp?.shell.currentWidget?.sessionContext
    ?.session?.kernel?.status === "idle",

  // What goes wrong behind the page: exceptions, also of a slider's callback. (Stderr holds
  // more, such as the kernel's remarks on widgets of before the restart.)
  messages: [],
  listen: () => {
    lab.panel().sessionContext.iopubMessage.connect((_, { header, content }) => {
      if (header.msg_type === "error") {
        lab.messages.push(content.traceback.join("\n"));
      } else if (header.msg_type === "stream" && /Traceback/.test(content.text)) {
        lab.messages.push(content.text);
      }
    });
  },

  codeCells: () => lab.panel().content.widgets.filter(
    cell => cell.model.type === "code" && cell.model.sharedModel.source.trim()
  ),

  // Errors and warnings that the reader sees, also inside widgets.
  errors: () => [...lab.panel().node.querySelectorAll(
    ["error", "stderr"].map(kind => `[data-mime-type$=".jupyter.${kind}"]`).join()
  )].map(node => node.textContent),

  // Every cell has run, or one has failed.
  finished: () => lab.errors().length > 0 || (
    lab.codeCells().every(cell => cell.model.executionCount !== null) && lab.idle()
  ),

  // Cells that hold a widget which does not stand on the page.
  missingWidgets: () => lab.codeCells().flatMap((cell, index) => {
    const isView = output => "application/vnd.jupyter.widget-view+json" in (output.data ?? {});
    const expected = cell.model.outputs.toJSON().filter(isView).length;
    const children = [...cell.outputArea.node.children];
    const shown = children.filter(child => child.querySelector(".jupyter-widgets")).length;
    return shown < expected ? [`code cell ${index + 1}: ${shown} of ${expected}`] : [];
  }),

  notebook: () => JSON.stringify(lab.panel().content.model.toJSON()),

  handles: () => [...lab.panel().node.querySelectorAll(".noUi-handle")],

  // Of each row of buttons the first that isn't pressed in.
  buttons: () => [...lab.panel().node.querySelectorAll(".widget-toggle-buttons")].map(
    row => row.querySelector(".widget-toggle-button:not(.mod-active)")
  ),

  // All that a control's cell shows, pictures first, a slider's own number left out.
  shown: control => {
    const area = control.closest(".jp-Cell").querySelector(".jp-Cell-outputArea");
    const copy = area.cloneNode(true);
    copy.querySelectorAll(".widget-readout").forEach(readout => readout.remove());
    const pictures = [...copy.querySelectorAll("img")].map(image => image.src);
    return { pictures, text: copy.textContent };
  },

  // Before a key: note what is shown, and start the watch when the key goes down. (Or when a
  // button is clicked.)
  watch: (control, event = "keydown") => {
    lab.control = control;
    lab.before = lab.shown(control);
    control.focus();
    document.addEventListener(
      event, () => { lab.start = performance.now(); }, { capture: true, once: true }
    );
  },

  // Where the slider stands that is watched.
  value: () => lab.control.getAttribute("aria-valuenow"),

  // After it: the milliseconds until something else is shown; null as long as nothing is, or
  // a picture is still to come.
  changed: () => {
    const now = lab.shown(lab.control);
    const same = JSON.stringify(now) === JSON.stringify(lab.before);
    const partly = now.pictures.length < lab.before.pictures.length;
    return same || partly ? null : performance.now() - lab.start;
  },

  // Before keys that repeat: note when the last one came, and when its cell last changed.
  watchHeld: number => {
    lab.handles()[number].focus();
    lab.lastKey = lab.lastChange = performance.now();
    document.addEventListener(
      "keydown", () => { lab.lastKey = performance.now(); }, { capture: true }
    );
    const area = lab.handles()[number].closest(".jp-Cell").querySelector(".jp-Cell-outputArea");
    new MutationObserver(() => { lab.lastChange = performance.now(); }).observe(
      area, { subtree: true, childList: true, attributes: true, characterData: true }
    );
  },

  // The milliseconds from the last key to the last change; null until all is quiet.
  settled: () => {
    const last = Math.max(lab.lastKey, lab.lastChange);
    return lab.idle() && performance.now() - last > 1000
      ? Math.max(1, lab.lastChange - lab.lastKey) : null;
  },

  // What the slider says, and the first picture's description.
  valueAndDescription: number => [
    Math.round(lab.handles()[number].getAttribute("aria-valuenow")),
    lab.handles()[number].closest(".jp-Cell").querySelector("img").alt,
  ],
};
