// What the network and its heads say about one class, before and after.

import { element } from "./element.js";
import { softmax } from "./network.js";

const READS = { "head 1": "after 4a", "head 2": "after 4d", output: "the answer" };
/** Of more than two classes, so many are named. */
const NAMED = 3;
/** Two digits, and a third where two would say that it is sure. @param {number} p */
export function digits(p) {
  if (p < 0.0005) return "< 0.001";
  if (p > 0.9995) return "> 0.999";
  return p.toFixed(p < 0.01 || p > 0.99 ? 3 : 2);
}

/**
 * @param {any} about
 * @param {(index: number) => void} watched called when another class is asked for
 */
export function answers(about, watched) {
  const { classes } = about;
  const outputs = Object.keys(READS).filter((name) => about.outputs.includes(name));
  const select = element("select", { "aria-label": "class" });
  select.append(...classes.map((name, i) => element("option", { value: i, text: name })));
  select.onchange = () => watched(Number(select.value));
  const large = element("strong");
  const before = element("span", { class: "quiet" });
  const bars = Object.fromEntries(
    outputs.map((name) => {
      const bar = element("i");
      const number = element("b");
      const title = element(
        "span",
        {},
        name,
        element("span", { class: "quiet", text: READS[name] }),
      );
      const row = element("div", { class: "bar" }, title, element("div", {}, bar), number);
      return [name, { row, bar, number }];
    }),
  );
  const likeliest = element("p", { class: "quiet" });
  const mean = element("p", { class: "quiet" });
  const place = element(
    "div",
    { class: "answers" },
    element("div", { class: "large" }, select, large, before),
    ...Object.values(bars).map(({ row }) => row),
    likeliest,
    mean,
  );

  /**
   * @param {Record<string, import("./network.js").Numbers>} found logits
   * @param {Record<string, import("./network.js").Numbers>} first those of the plain picture
   * @param {number} chosen the class
   * @param {boolean} changed whether anything was done to the picture or the network
   */
  function draw(found, first, chosen, changed) {
    select.value = String(chosen);
    for (const [name, { bar, number }] of Object.entries(bars)) {
      const now = softmax(found[name])[0][chosen];
      const was = softmax(first[name])[0][chosen];
      bar.style.width = `${100 * now}%`;
      bar.parentElement.style.setProperty("--was", `${100 * was}%`);
      number.textContent = digits(now);
    }
    const all = softmax(found.output)[0];
    large.textContent = digits(all[chosen]);
    const was = digits(softmax(first.output)[0][chosen]);
    before.textContent = changed ? `it was ${was}` : "";
    if (classes.length > 2) {
      const best = all.map((p, i) => [p, classes[i]]).sort((a, b) => b[0] - a[0]);
      const named = best.slice(0, NAMED).map(([p, name]) => `${name} ${digits(p)}`);
      likeliest.textContent = `Likeliest: ${named.join(", ")}`;
    }
    mean.textContent = "";
    delete mean.dataset.value;
    return digits(all[chosen]);
  }

  /** The answer of `inception predict`. @param {import("./network.js").Numbers} logits */
  function drawMean(logits, chosen) {
    const each = softmax(logits).map((row) => row[chosen]);
    const average = each.reduce((sum, one) => sum + one, 0) / each.length;
    mean.textContent = `Averaged over it and its mirror images, as inception predict does: ${digits(average)}`;
    mean.dataset.value = String(average);
  }
  return { place, draw, drawMean };
}
