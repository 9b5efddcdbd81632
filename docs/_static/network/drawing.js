// What becomes visible: pictures, evidence over them, small maps, in the notebooks' colours.

/** Side of the large pictures, in pixels. */
export const SIDE = 300;

/**
 * @param {HTMLCanvasElement} canvas @param {number} width @param {number} height
 * @param {(to: Uint8ClampedArray, at: number, i: number) => void} colour writes the red,
 *   green and blue of pixel i from place `at` on
 */
function paint(canvas, width, height, colour) {
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    colour(image.data, 4 * i, i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
}

/** From a pixel's red to its green and to its blue; grey is all three. */
const between = (pixels) => (pixels.length > SIDE * SIDE ? SIDE * SIDE : 0);

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} pixels C×SIDE×SIDE
 */
export function drawPicture(canvas, pixels) {
  const plane = between(pixels);
  paint(canvas, SIDE, SIDE, (to, at, i) => {
    for (let c = 0; c < 3; c++) to[at + c] = pixels[i + c * plane];
  });
}

/**
 * The outline of what a place sees, white under the branch's colour.
 * @param {HTMLCanvasElement} canvas
 * @param {{x: number, y: number, side: number, colour: string}} square parts of the side
 */
export function drawSquare(canvas, { x, y, side, colour }) {
  const context = canvas.getContext("2d");
  const [left, top, length] = [x - side / 2, y - side / 2, side].map((part) => part * SIDE);
  for (const [width, style] of [
    [6, "white"],
    [3, colour],
  ]) {
    Object.assign(context, { lineWidth: width, strokeStyle: style });
    context.strokeRect(left, top, length, length);
  }
}

/**
 * An h×w map at SIDE×SIDE, as PyTorch's bilinear interpolation does it.
 * @param {ArrayLike<number>} map @param {number} height @param {number} width
 */
export function enlarge(map, height, width) {
  const places = (count) =>
    Array.from({ length: SIDE }, (_, i) => {
      const at = Math.max(0, ((i + 0.5) * count) / SIDE - 0.5);
      const first = Math.min(count - 1, Math.floor(at));
      return [first, Math.min(count - 1, first + 1), at - first];
    });
  const large = new Float32Array(SIDE * SIDE);
  const columns = places(width);
  places(height).forEach(([top, bottom, down], row) => {
    columns.forEach(([left, right, along], column) => {
      const upper = map[top * width + left] * (1 - along) + map[top * width + right] * along;
      const lower =
        map[bottom * width + left] * (1 - along) + map[bottom * width + right] * along;
      large[row * SIDE + column] = upper * (1 - down) + lower * down;
    });
  });
  return large;
}

/**
 * What each place says for one class, against the mean of the others.
 * @param {{dims: number[], data: Float32Array}} maps 1×K×h×w
 * @param {number} chosen
 */
export function evidence({ dims: [, classes, height, width], data }, chosen) {
  const places = height * width;
  return Float32Array.from({ length: places }, (_, i) => {
    let others = 0;
    for (let k = 0; k < classes; k++) if (k !== chosen) others += data[k * places + i];
    return data[chosen * places + i] - others / Math.max(1, classes - 1);
  });
}

export const largest = (map) => map.reduce((most, one) => Math.max(most, Math.abs(one)), 1e-12);

/**
 * Evidence over its picture, which is shown in light greys.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} pixels C×SIDE×SIDE
 * @param {Float32Array} large SIDE×SIDE
 * @param {number} scale the evidence at full colour
 * @param {number[][]} colours from −scale to scale
 */
export function drawEvidence(canvas, pixels, large, scale, colours) {
  const plane = between(pixels);
  const grey = (i) => (pixels[i] + pixels[i + plane] + pixels[i + 2 * plane]) / 3;
  let [low, high] = [255, 1];
  for (let i = 0; i < SIDE * SIDE; i++) {
    low = Math.min(low, grey(i));
    high = Math.max(high, grey(i));
  }
  const stretch = 128 / Math.max(1, high - low);
  const last = colours.length - 1;
  paint(canvas, SIDE, SIDE, (to, at, i) => {
    const says = Math.max(-1, Math.min(1, large[i] / scale));
    const colour = colours[Math.round(((says + 1) / 2) * last)];
    const below = 127 + (grey(i) - low) * stretch;
    for (let c = 0; c < 3; c++) {
      to[at + c] = below + ((colour[c] - below) * colour[3]) / 255;
    }
  });
}

/**
 * A map as it is, from nothing to its own largest.
 * @param {HTMLCanvasElement} canvas @param {Float32Array} map
 * @param {number[][]} colours from 0 to the largest
 */
export function drawMap(canvas, map, height, width, colours) {
  const most = Math.max(...map, 1e-12);
  const last = colours.length - 1;
  paint(canvas, width, height, (to, at, i) => {
    const colour = colours[Math.round((Math.max(0, map[i]) / most) * last)];
    for (let c = 0; c < 3; c++) to[at + c] = colour[c];
  });
}

/** In words, in which ninth of a map its largest value lies: "upper left". */
export function highestPlace(map, height, width) {
  const at = map.indexOf(Math.max(...map));
  const third = (i, count) => Math.floor((3 * i) / count);
  const down = ["upper", "middle", "lower"][third(Math.floor(at / width), height)];
  return `${down} ${["left", "centre", "right"][third(at % width, width)]}`;
}
