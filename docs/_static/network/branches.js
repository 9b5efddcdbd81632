// The drawing of GoogLeNet, whose 36 branches are buttons, and what is in a module.

import { digits } from "./answers.js";
import { drawMap, highestPlace } from "./drawing.js";
import { arrowKeys, element, press } from "./element.js";
import { softmax } from "./network.js";

/** So many channels of a branch are shown. */
const SHOWN = 6;
/** Where the answers leave the network: after these modules. @type {Record<string, string>} */
const LEAVES = { "head 1": "4a", "head 2": "4d", output: "5b" };
const printed = (branch) => branch.replace("x", "×");

/**
 * The drawing: a column per module, a row per branch, between stem, pools and answers.
 * @param {any} about
 * @param {Record<string, string>} colours
 * @param {(mask: Float32Array) => void} changed
 * @param {(name: string) => void} chosen the module whose maps are wanted
 */
export function board(about, colours, changed, chosen) {
  /** @type {[string, any][]} */
  const modules = Object.entries(about.modules);
  const branches = Object.keys(modules[0][1].branches);
  const mask = new Float32Array(modules.length * branches.length).fill(1);
  const place = element("div", { class: "board", "aria-label": "The network" });
  /** Button or gap, row by row, for the arrow keys. @type {HTMLElement[]} */ const grid = [];
  const put = (/** @type {HTMLElement} */ made, column, row, rows = 1) => {
    made.style.gridArea = `${row} / ${column} / span ${rows} / span 1`;
    place.append(made);
    return made;
  };
  const block = (text, column) =>
    put(element("span", { class: "block", "aria-hidden": true, text }), column, 3, 4);

  // The columns: rows' names, stem, then the modules, with a pool before 4a and 5a.
  block("stem", 2);
  let last = 2;
  const columns = modules.map(([name], i) => {
    if (i && name[0] !== modules[i - 1][0][0]) block("max pool", ++last);
    put(element("span", { class: "split", "aria-hidden": true }), ++last, 3, 4);
    return last;
  });
  block("average, linear", last + 1).classList.add("last");
  const columnOf = (name) => columns[modules.findIndex(([one]) => one === name)];
  const leaving = Object.keys(LEAVES).filter((name) => about.outputs.includes(name));
  const answers = leaving.map((name) => {
    const says = element("b");
    const kind = name === "output" ? "head out" : "head";
    const head = element("span", { class: kind }, name, says);
    put(head, columnOf(LEAVES[name]), 1).style.gridColumnEnd = "span 2";
    return { name, says };
  });
  /** What the heads and the output say now. */
  const say = (/** @type {any} */ found, /** @type {number} */ watched) => {
    for (const { name, says } of answers)
      says.textContent = digits(softmax(found[name])[0][watched]);
  };

  const names = modules.map(([name]) => {
    const button = element("button", { type: "button", class: "module", text: name });
    button.setAttribute("aria-label", `show what is in ${name}`);
    button.onclick = () => {
      for (const one of names) press(one, one === button);
      chosen(name);
    };
    press(button, false);
    return button;
  });
  grid.push(element("span"), ...names);
  names.forEach((button, i) => put(button, columns[i], 2));

  /** @type {HTMLElement[]} */ const rows = [];
  /** @type {HTMLElement[]} */ const cells = [];
  /** @type {string[]} */ const labels = [];
  const redraw = () => {
    cells.forEach((cell, i) => press(cell, mask[i] === 1));
    rows.forEach((row, j) =>
      press(
        row,
        modules.every((_, i) => mask[i * branches.length + j]),
      ),
    );
  };
  const set = (indices, on) => {
    for (const i of indices) mask[i] = on;
    redraw();
    changed(mask);
  };

  branches.forEach((branch, j) => {
    const own = modules.map((_, i) => i * branches.length + j);
    const row = element("button", { type: "button", class: "row", text: printed(branch) });
    row.setAttribute("aria-label", `all nine ${printed(branch)} branches`);
    row.onclick = () => set(own, own.every((i) => mask[i]) ? 0 : 1);
    rows.push(row);
    grid.push(put(row, 1, 3 + j));
    modules.forEach(([name, module], i) => {
      const { channels } = module.branches[branch];
      const cell = element("button", { type: "button", class: "branch" });
      labels[own[i]] = `${name}, ${printed(branch)} branch`;
      cell.setAttribute("aria-label", labels[own[i]]);
      cell.title = `${name}, ${printed(branch)}: ${channels} channels`;
      // As thick as it has channels.
      cell.style.setProperty("--thick", String(Math.sqrt(channels / 384)));
      cell.style.setProperty("--colour", colours[branch]);
      cell.onclick = () => set([own[i]], mask[own[i]] ? 0 : 1);
      cells[own[i]] = cell;
      grid.push(put(cell, columns[i], 3 + j));
    });
  });
  /** What each branch's loss changes, in words; none takes them away. */
  const note = (/** @type {string[]} */ words = []) => {
    place.classList.toggle("noted", words.length > 0);
    cells.forEach((cell, i) => {
      if (words[i]) cell.dataset.note = words[i];
      else delete cell.dataset.note;
      cell.setAttribute("aria-label", labels[i] + (words[i] ? `: ${words[i]} points` : ""));
    });
  };
  redraw();
  arrowKeys(place, modules.length + 1, () => grid)();
  return {
    place,
    mask,
    labels,
    note,
    say,
    reset: () => set(mask.keys(), 1),
    choose: (name) => names[modules.findIndex(([one]) => one === name)].click(),
  };
}

/** @param {Float32Array} map */
function spread(map) {
  const mean = map.reduce((sum, one) => sum + one, 0) / map.length;
  return map.reduce((sum, one) => sum + (one - mean) ** 2, 0) / map.length;
}

/**
 * A module's branches with the channels that vary most.
 * @param {any} about
 * @param {Record<string, string>} colours
 * @param {(square: object | null) => void} pointed what a place sees, when a map is chosen
 */
export function insides(about, colours, pointed) {
  const place = element("div", { class: "insides", "aria-label": "Channels of a module" });
  const stop = arrowKeys(place, SHOWN, () => [...place.querySelectorAll("button")]);

  /** @param {string} name @param {{dims: number[], data: Float32Array}} outputs 1×C×h×w */
  function draw(name, { dims: [, , height, width], data }) {
    const focused = document.activeElement?.getAttribute("data-map");
    const { first, branches } = about.modules[name];
    const size = height * width;
    let start = 0;
    const text = `In ${name}: the channels that vary most, each bright where it is strong. Click one to see on the picture what its strongest place sees.`;
    place.replaceChildren(element("p", { class: "wide", text }));
    for (const [branch, { channels, largest, jump }] of Object.entries(branches)) {
      const maps = Array.from({ length: channels }, (_, i) =>
        data.subarray((start + i) * size, (start + i + 1) * size),
      );
      start += channels;
      const best = maps
        .map((map, channel) => ({ map, channel, spread: spread(map) }))
        .sort((a, b) => b.spread - a.spread)
        .slice(0, SHOWN);
      const row = element("div", { class: "maps" });
      best.forEach(({ map, channel }, i) => {
        const canvas = element("canvas");
        drawMap(canvas, map, height, width, about.strength);
        const where = highestPlace(map, height, width);
        const silent = Math.max(...map) <= 0;
        const label = `channel ${channel} of ${name} ${printed(branch)}: ${silent ? "silent" : `strongest ${where}`}`;
        const button = element("button", { type: "button", "aria-label": label }, canvas);
        button.title = label;
        button.dataset.map = `${name} ${branch} ${i}`;
        button.onclick = () => {
          const at = map.indexOf(Math.max(...map));
          const middle = (index) => (first + index * jump + 0.5) / about.side;
          const [x, y] = [middle(at % width), middle(Math.floor(at / width))];
          pointed({ x, y, side: largest / about.side, colour: colours[branch], label });
        };
        row.append(button);
      });
      const sees = `${channels} channels, a place sees ${largest} pixels`;
      const title = element("p", {}, element("b", { text: printed(branch) }), ` ${sees}`);
      title.style.setProperty("--colour", colours[branch]);
      place.append(title, row);
    }
    const again = focused && place.querySelector(`[data-map="${focused}"]`);
    stop(again || undefined);
    again?.focus();
  }
  return { place, draw };
}
