// "Meet the network": a trained GoogLeNet that answers in the page.

import { answers, digits } from "./answers.js";
import { board, insides } from "./branches.js";
import { crackControls, pictureControls, weightControls } from "./controls.js";
import { cover, darken } from "./crack.js";
import * as drawing from "./drawing.js";
import { element } from "./element.js";
import { FILES, Network, softmax, views } from "./network.js";
import { shrink } from "./picture.js";

const { SIDE } = drawing;
/** Milliseconds without a change before the mirror images are asked, too. */
const REST = 300;
const place = document.getElementById("network");
/** The sentence that a screen reader reads out. */
const line = element("p", { role: "status", class: "line" });

/** Only a sentence, in place of everything. @param {string} text */
const sayOnly = (text) => place.replaceChildren(element("p", { class: "asleep", text }));

async function start() {
  const about = await (await fetch(new URL("about.json", FILES))).json();
  if (about.missing) return sayOnly(about.missing);
  if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
    return sayOnly("This browser has no WebAssembly, in which the network would run.");
  }
  const megabytes = Math.round(about.bytes / 1e6);
  const wake = element("button", { type: "button", class: "wake" });
  wake.textContent = `Wake the network (${megabytes} MB)`;
  const bar = element("progress", { max: 1, value: 0, "aria-label": "loading the network" });
  const says = element("p", { class: "quiet", text: `GoogLeNet, ${about.told}.` });
  const box = element("div", { class: "asleep-box" }, wake, says);
  place.replaceChildren(box);

  let begun = false;
  const load = async (event) => {
    if (begun) return;
    begun = true;
    wake.replaceWith(bar);
    try {
      const network = new Network(about);
      await network.load((share) => {
        bar.value = share;
        says.textContent = `Loading the network: ${Math.round(share * megabytes)} of ${megabytes} MB`;
      });
      meet(about, network);
      // With the keyboard one continues where the button was.
      if (event instanceof Event) place.querySelector("button").focus({ preventScroll: true });
    } catch (error) {
      begun = false;
      bar.replaceWith(wake);
      says.textContent = `The network could not be woken here (${error.message}).`;
    }
  };
  wake.onclick = load;
  // By itself where the bytes and the memory are likely to be there.
  const { connection } = /** @type {any} */ (navigator);
  const spare = connection?.saveData || !matchMedia("(pointer: fine)").matches;
  if (!spare) (window.requestIdleCallback ?? setTimeout)(load);
}

/**
 * The network is awake: everything that one can do with it.
 * @param {any} about @param {Network} network
 */
function meet(about, network) {
  // @ts-ignore: from tools/site_data.py
  const { colours } = INCEPTION;
  const heads = about.outputs.filter((name) => /^(output|head)/.test(name));
  const plain = new Float32Array(36).fill(1);
  /** What is shown now. @type {any} */
  const now = {
    name: "",
    pixels: null, // C×S×S, for the network
    shown: null, // C×SIDE×SIDE, for the eye
    crack: { segments: [], width: 1, darkness: 0 },
    module: "3a",
    watched: about.watched ?? 0,
    weights: "trained",
    first: null, // what the trained network says of the picture as it is
    found: null, // those for the picture as it stands
    square: null,
  };
  const picture = element("canvas", { role: "img", class: "drawable" });
  const map = element("canvas", { role: "img" });
  [picture.width, picture.height, map.width, map.height] = [SIDE, SIDE, SIDE, SIDE];

  const says = answers(about, (index) => {
    now.watched = index;
    update();
  });
  const crack = crackControls(picture, about.side, (changed) => {
    now.crack = changed;
    update();
  });
  const inside = insides(about, colours, (square) => {
    now.square = square;
    drawPicture();
  });
  const lanes = board(about, colours, update, (name) => {
    [now.module, now.square] = [name, null];
    update();
  });
  const weights = weightControls((kind) => {
    now.weights = kind;
    update();
  });
  const sources = pictureControls(about, FILES, choose, (sentence) => {
    line.textContent = sentence;
  });

  function choose(name, square) {
    now.name = name;
    now.pixels = shrink(square, about.side, about.channels);
    now.shown = shrink(square, SIDE, about.channels);
    [now.first, now.square] = [null, null];
    crack.reset();
  }

  const cracked = (pixels, side) => {
    const { segments, width, darkness } = now.crack;
    if (!segments.length) return pixels;
    const covered = cover(side, segments, (width * side) / about.side);
    return darken(pixels, covered, darkness);
  };
  const isChanged = () =>
    now.crack.segments.length > 0 || lanes.mask.includes(0) || now.weights !== "trained";

  function drawPicture() {
    const { segments } = now.crack;
    drawing.drawPicture(picture, cracked(now.shown, SIDE));
    if (now.square) drawing.drawSquare(picture, now.square);
    picture.setAttribute("aria-label", `${now.name}${segments.length ? ", with a crack" : ""}`);
  }

  function drawAnswer() {
    const { found, first, watched } = now;
    const [, , height, width] = found.evidence.dims;
    const heat = drawing.evidence(found.evidence, watched);
    // The scale of the plain picture, unless there is more to show.
    const plainly = drawing.largest(drawing.evidence(first.evidence, watched));
    const scale = Math.max(drawing.largest(heat), plainly);
    const large = drawing.enlarge(heat, height, width);
    drawing.drawEvidence(map, cracked(now.shown, SIDE), large, scale, about.evidence);
    const where = drawing.highestPlace(heat, height, width);
    const subject = about.classes[watched];
    map.setAttribute("aria-label", `evidence for ${subject}, highest ${where}`);
    const answer = says.draw(found, first, watched, isChanged());
    lanes.say(found, watched);
    inside.draw(now.module, found[now.module]);
    const off = lanes.mask.filter((on) => !on).length;
    const done = [
      now.weights === "trained" ? "" : `${now.weights} weights`,
      now.crack.segments.length ? "with a crack" : "",
      off ? `${off} of 36 branches off` : "",
    ];
    const told = [now.name, ...done.filter(Boolean)].join(", ");
    line.textContent = `${told}: ${subject} ${answer}`;
  }

  // One question at a time, and always about what is shown now.
  let [asking, again, turn, rest] = [false, false, 0, 0];
  async function update() {
    if (!now.pixels) return;
    turn++;
    lanes.note();
    drawPicture();
    again = true;
    if (asking) return;
    asking = true;
    try {
      await answerAll();
    } catch (error) {
      line.textContent = `The network has stopped (${error.message}): load the page again.`;
    }
    asking = false;
    clearTimeout(rest);
    rest = setTimeout(settle, REST);
  }

  async function answerAll() {
    while (again) {
      again = false;
      const { pixels, module, weights } = now;
      const asked = performance.now();
      const names = [...heads, "evidence", module];
      if (!now.first) {
        now.first = await network.ask(pixels, plain, [...heads, "evidence"]);
        if (now.pixels !== pixels) now.first = null;
        if (about.watched === null && now.first) {
          now.watched = now.first.output.data.indexOf(Math.max(...now.first.output.data));
        }
        again ||= !now.first;
        if (again) continue;
      }
      const given = cracked(pixels, about.side);
      const found = await network.ask(given, lanes.mask, names, weights);
      // What was chosen meanwhile is asked next.
      if (now.pixels !== pixels || now.module !== module || now.weights !== weights) continue;
      now.found = found;
      drawAnswer();
      place.dataset.milliseconds = String(Math.round(performance.now() - asked));
    }
  }

  async function settle() {
    const mine = turn;
    const all = views(cracked(now.pixels, about.side), about.side, about.flips);
    const { output } = await network.ask(all, lanes.mask, ["output"], now.weights);
    if (turn === mine) says.drawMean(output, now.watched);
  }

  /** Each branch that is on, switched off alone: what it changes, in points of a hundred. */
  async function tryEach() {
    if (!now.pixels) return;
    const mine = turn;
    const { weights } = now;
    const pixels = cracked(now.pixels, about.side);
    const ask = async (/** @type {Float32Array} */ mask) => {
      const { output } = await network.ask(pixels, mask, ["output"], weights);
      return softmax(output)[0][now.watched];
    };
    const before = await ask(lanes.mask);
    const words = [];
    let most = { change: 0, text: "No branch alone changes the answer" };
    for (const [i, label] of lanes.labels.entries()) {
      if (!lanes.mask[i]) continue;
      const mask = lanes.mask.slice();
      mask[i] = 0;
      const change = (await ask(mask)) - before;
      if (turn !== mine) return;
      const points = Math.round(100 * change);
      words[i] = points > 0 ? `+${points}` : `${points}`.replace("-", "−");
      lanes.note(words);
      if (Math.abs(change) > Math.abs(most.change)) {
        const text = `Most is changed by the ${label}: ${about.classes[now.watched]} ${digits(before)} becomes ${digits(before + change)} without it`;
        most = { change, text };
      }
    }
    line.textContent = most.text;
  }

  const each = element("button", { type: "button", text: "Try each alone" });
  each.onclick = tryEach;
  const restore = element("button", { type: "button", text: "All branches on" });
  restore.onclick = lanes.reset;
  const drop = element("p", { class: "quiet drop" });
  drop.textContent = [
    `It was ${about.told}, and knows ${about.classes.join(", ")}: whatever else you show it gets an answer, too.`,
    "Your picture stays on this device.",
    "Its weights are rounded to 8 bits here, which moves a probability a little.",
  ].join(" ");
  const title = (text) => element("h3", { text });
  place.replaceChildren(
    sources.place,
    line,
    element(
      "div",
      { class: "large-row" },
      element("figure", {}, picture, element("figcaption", { text: "what it sees" })),
      element("figure", {}, map, legend(about)),
      says.place,
    ),
    weights,
    title("Break it"),
    crack.place,
    title("Switch off what you like"),
    element("p", {
      text: "This is GoogLeNet: a picture comes in at the left, and three answers leave it. Each of the nine modules splits into four branches, as thick as they have channels: switch any of the 36 off, and see what the answer loses. A module's name shows what is in it. With the keyboard, arrows lead from button to button.",
    }),
    lanes.place,
    element("div", { class: "buttons" }, each, restore),
    inside.place,
    drop,
  );
  if (about.credit) place.append(element("p", { class: "quiet credit", text: about.credit }));
  sources.acceptDrops(place);
  lanes.choose("3a");
  if (about.pictures.length) sources.first();
  else line.textContent = "Show it a picture of your own.";
}

/** The colours of the evidence, from against to for. @param {any} about */
function legend(about) {
  const stops = about.evidence.map(([r, g, b, a]) => `rgba(${r}, ${g}, ${b}, ${a / 255})`);
  const ramp = element("i", { class: "ramp" });
  ramp.style.background = `linear-gradient(to right, ${stops.join()}), #bbb`;
  return element("figcaption", {}, "against ", ramp, " for");
}

start().catch(() => sayOnly("The network's files are not where this page looks for them."));
