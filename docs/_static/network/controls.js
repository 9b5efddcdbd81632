// What one can do to a picture: choose it, and draw cracks into it.

import { straight } from "./crack.js";
import { element, press } from "./element.js";
import { read } from "./picture.js";
import { WEIGHTS } from "./weights.js";

/**
 * What it says, least, most, step, start, unit.
 * @type {Record<string, [string, number, number, number, number, string]>}
 */
const SLIDERS = {
  angle: ["angle", 0, 175, 5, 45, "°"],
  length: ["length", 5, 95, 5, 60, "%"],
  width: ["width", 0.5, 8, 0.5, 1, "px"],
  darkness: ["darkness", 5, 95, 5, 20, "%"],
};

/**
 * @typedef {{segments: import("./crack.js").Segment[], width: number, darkness: number}} Crack
 *   width in the network's pixels, darkness from 0 to 1
 */

/**
 * Sliders for a straight crack; by hand on the canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {number} side of the network's pictures, in pixels
 * @param {(crack: Crack) => void} changed
 */
export function crackControls(canvas, side, changed) {
  const values = Object.fromEntries(
    Object.entries(SLIDERS).map(([name, slider]) => [name, slider[4]]),
  );
  /** @type {import("./crack.js").Segment[]} */ let strokes = [];
  let isStraight = false;
  const toggle = element("button", { type: "button", text: "Straight crack" });
  const wipe = element("button", { type: "button", text: "Remove cracks" });

  const tell = () => {
    press(toggle, isStraight);
    const line = isStraight ? [straight(values.angle, values.length / 100, side)] : [];
    wipe.disabled = !isStraight && !strokes.length;
    const { width, darkness } = values;
    changed({ segments: [...line, ...strokes], width, darkness: darkness / 100 });
  };
  const reset = () => {
    [isStraight, strokes] = [false, []];
    tell();
  };
  wipe.onclick = () => {
    reset();
    toggle.focus(); // this button can't keep it
  };
  toggle.onclick = () => {
    isStraight = !isStraight;
    tell();
  };
  press(toggle, false);
  wipe.disabled = true;

  const rows = Object.entries(SLIDERS).map(([name, [text, min, max, step, start, unit]]) => {
    const input = element("input", { type: "range", min, max, step, value: start, name });
    const shown = element("output", { text: `${start} ${unit}` });
    input.oninput = () => {
      values[name] = Number(input.value);
      shown.textContent = `${values[name]} ${unit}`;
      if (!strokes.length) isStraight = true;
      tell();
    };
    return element("label", {}, element("span", { text }), input, shown);
  });

  /** @type {[number, number] | null} */ let last = null;
  /** @returns {[number, number]} */
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
  };
  canvas.onpointermove = (event) => {
    if (!last) return;
    const next = place(event);
    if (Math.hypot(next[0] - last[0], next[1] - last[1]) < 0.01) return;
    strokes.push([last, next]);
    last = next;
    tell();
  };
  canvas.onpointerup = canvas.onpointercancel = () => (last = null);

  const hint = element("p", {
    class: "quiet",
    text: "or draw on the picture with a finger or the mouse",
  });
  const buttons = element("div", { class: "buttons" }, toggle, wipe);
  return { place: element("div", { class: "crack" }, buttons, ...rows, hint), reset };
}

const TELLS = {
  trained: "",
  shuffled:
    "The same weights, each filter's in random order: all that was learned is gone. Draw a crack: does the map still follow it? A map that looked the same would not have shown what was learned (Adebayo et al. 2018; notebook 08).",
  untrained:
    "Random weights, as a training begins with them. Choose another picture: how much of the answer, and of the map, changes?",
};

/**
 * Which weights answer. @param {(weights: string) => void} changed
 */
export function weightControls(changed) {
  const tells = element("p", { class: "quiet" });
  const choices = WEIGHTS.map((kind) => {
    const input = element("input", { type: "radio", name: "weights", value: kind });
    input.checked = kind === WEIGHTS[0];
    input.onchange = () => {
      tells.textContent = TELLS[kind];
      changed(kind);
    };
    return element("label", {}, input, kind);
  });
  const legend = element("legend", { text: "Its weights:" });
  return element("fieldset", { class: "weights" }, legend, ...choices, tells);
}

/**
 * Buttons for the pictures of the site, and a place for one's own.
 * @param {any} about @param {URL} files
 * @param {(name: string, square: import("./picture.js").Square) => void} chosen
 * @param {(sentence: string) => void} failed
 */
export function pictureControls(about, files, chosen, failed) {
  const buttons = about.pictures.map(({ file, name }) => {
    const image = element("img", {
      src: new URL(file, files),
      alt: name,
      width: 72,
      height: 72,
    });
    const button = element("button", { type: "button", title: name }, image);
    button.onclick = async () => {
      for (const one of buttons) press(one, one === button);
      chosen(name, await read(await (await fetch(new URL(file, files))).blob()));
    };
    press(button, false);
    return button;
  });
  const take = async (file) => {
    try {
      const square = await read(file);
      for (const one of buttons) press(one, false);
      chosen(file.name, square);
    } catch (error) {
      failed(error.message);
    }
  };
  const input = element("input", { type: "file", accept: "image/*" });
  input.onchange = () => {
    if (input.files[0]) take(input.files[0]);
    input.value = ""; // the same file may come again
  };
  const own = element(
    "label",
    { class: "own" },
    "Your own: choose, photograph or drop it",
    input,
  );
  const place = element("div", { class: "pictures" }, ...buttons, own);

  /** Pictures may be dropped anywhere on this element. @param {HTMLElement} target */
  function acceptDrops(target) {
    target.ondragover = (event) => {
      event.preventDefault();
      target.classList.add("over");
    };
    target.ondragleave = () => target.classList.remove("over");
    target.ondrop = (event) => {
      event.preventDefault();
      target.classList.remove("over");
      const [file] = event.dataTransfer.files;
      if (file) take(file); // or a folder, which can't be read
    };
  }
  return { place, acceptDrops, first: () => buttons[0].click() };
}
