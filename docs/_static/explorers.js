// Sliders without Python. INCEPTION, from tools/site_data.py, or a file that is loaded for
// it, from tools/site_explorers.py, says which controls an explorer has; its view, in the
// folder explorers, draws what they are set to.

const { explorers } = INCEPTION;
const here = /** @type {HTMLScriptElement} */ (document.currentScript).src;

/** The explorer of this kind, once its file is there. */
function found(kind) {
  if (explorers[kind]) return Promise.resolve(explorers[kind]);
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`../explorers/${kind}.js`, here).href;
    script.onload = () => (explorers[kind] ? resolve(explorers[kind]) : reject());
    script.onerror = reject;
    document.head.append(script);
  });
}

function build(place, explorer) {
  const { kind, start = explorer.start } = place.dataset;
  const { presets = {}, choices = {} } = explorer;
  const values = {};
  const inputs = {}; // by field: its slider and its box
  const pressed = []; // buttons, each with what it has to be pressed
  const picture = document.createElement("div");
  picture.className = "picture";
  // Only this line is read out when a slider moves: a whole table at every key press is
  // too much to listen to.
  const says = document.createElement("p");
  says.setAttribute("role", "status");
  place.innerHTML = "";
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", explorer.title);
  const update = VIEWS[kind](picture, explorer, says);

  const redraw = () => {
    update(values, (html) => {
      says.innerHTML = html;
    });
    for (const [button, wanted] of pressed) {
      const is = Object.entries(wanted).every(([field, value]) => values[field] === value);
      button.setAttribute("aria-pressed", is);
    }
  };
  const set = (wanted) => {
    Object.assign(values, wanted);
    for (const field of Object.keys(wanted))
      for (const input of inputs[field] ?? []) input.value = values[field];
  };
  // A row of buttons, by name what each one sets.
  const buttons = (title, wanted) => {
    const row = document.createElement("div");
    row.className = "presets";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", title);
    row.append(`${title}:`);
    for (const [name, sets] of Object.entries(wanted)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.onclick = () => {
        set(sets);
        redraw();
      };
      pressed.push([button, sets]);
      row.append(button);
    }
    place.append(row);
  };

  if (explorer.presets) buttons(explorer.presetsTitle, presets);
  for (const [field, [options, first]] of Object.entries(choices)) {
    buttons(field, Object.fromEntries(options.map((one) => [one, { [field]: one }])));
    set({ [field]: first });
  }
  for (const [field, [name, min, max, step, first]] of Object.entries(explorer.sliders)) {
    const row = document.createElement("div");
    row.className = "slider";
    const told = document.createElement("span");
    told.textContent = name;
    inputs[field] = ["range", "number"].map((type) => {
      const input = Object.assign(document.createElement("input"), { type, min, max, step });
      input.name = field;
      input.setAttribute("aria-label", type === "range" ? name : `${name}, as a number`);
      input.oninput = () => {
        // A box that is half typed leaves the last valid picture standing.
        if (!input.checkValidity() || input.value === "") return;
        values[field] = Number(input.value);
        for (const other of inputs[field]) if (other !== input) other.value = input.value;
        redraw();
      };
      return input;
    });
    row.append(told, ...inputs[field]);
    place.append(row);
    set({ [field]: first });
  }
  set(presets[start] ?? {});
  place.append(picture, says);
  if (explorer.credit) {
    const credit = document.createElement("p");
    credit.className = "credit";
    credit.textContent = explorer.credit;
    place.append(credit);
  }
  redraw();
}

/** @param {string} selector @returns {NodeListOf<HTMLElement>} */
const every = (selector) => document.querySelectorAll(selector);

for (const place of every(".explorer")) {
  found(place.dataset.kind).then(
    (explorer) => {
      if (explorer.missing) place.firstElementChild.prepend(`${explorer.missing} `);
      else build(place, explorer);
      reachSideways();
    },
    () => {}, // it stays asleep, and says so
  );
}

// What scrolls sideways must be reachable by keyboard.
function reachSideways() {
  for (const box of every("pre, table, .table-wrapper, .output, .formula, p:has(> img)")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}
reachSideways();
addEventListener("resize", reachSideways);

// The landing page's network; a page that was opened from the disk may load no modules.
const network = document.getElementById("network");
if (network && location.protocol === "file:") {
  network.firstElementChild.textContent =
    "The network answers where this site is served: python -m http.server in its folder.";
} else if (network) {
  import("./network/page.js");
}
