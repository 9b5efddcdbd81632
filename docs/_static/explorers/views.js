// What the views of the explorers share. A view shows one kind of explorer:
// VIEWS[kind](place, explorer) fills a place once and returns update(values, say), which
// is called whenever a slider moves; it says one line. The arithmetic is plain functions:
// tests/browser/test_site_explorers.py holds them to the notebooks' own.

const VIEWS = {};
const { colours } = INCEPTION;
const digits = (n) => n.toLocaleString("en-US");
const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
const clamp = (n, low, high) => Math.min(high, Math.max(low, n));
const range = (count) => Array.from({ length: count }, (_, i) => i);
const percent = (share) => `${(100 * share).toFixed(0)} %`;
/** As Python prints it: 9e-07. */
const power = (n) => n.toExponential(0).replace(/e([+-])(\d)$/, "e$10$2");

/**
 * Bytes of tools/site_explorers.py as numbers of a kind.
 * @param {string} text @param {any} Kind
 */
function decoded(text, Kind = Float32Array) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

/** A drawing, at most a quarter wider in pixels; a screen reader reads it as one sentence. */
const svg = (width, height, told, drawn) =>
  `<svg viewBox="0 0 ${width} ${height}" style="max-width: ${1.25 * width}px" role="img" aria-label="${told}">${drawn}</svg>`;

const line = (x1, y1, x2, y2, more = "") =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="currentColor" ${more}/>`;

const text = (x, y, said, more = "") => `<text x="${x}" y="${y}" ${more}>${said}</text>`;

/** Values from `low` to `high` as greys, on a canvas of their own size. */
function paintGrey(canvas, values, width, low, high) {
  [canvas.width, canvas.height] = [width, values.length / width];
  const image = new ImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    const grey = (255 * (value - low)) / (high - low || 1);
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
}

/** Canvases in a row, each with its caption; returns them with their captions. */
function canvases(place, count) {
  const row = document.createElement("div");
  row.className = "canvases";
  place.append(row);
  return range(count).map(() => {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption");
    canvas.setAttribute("role", "img");
    figure.append(canvas, caption);
    row.append(figure);
    return {
      canvas,
      tell(said) {
        caption.textContent = said;
        canvas.setAttribute("aria-label", said);
      },
    };
  });
}

function box(place, name = "drawing") {
  const made = document.createElement("div");
  made.className = name;
  place.append(made);
  return made;
}
