// A picture file becomes the network's pixels, as inception_lib.training.pictures does it:
// upright, on white, the central square, made smaller by a triangle filter.

/** A longer side than this the browser makes smaller first, to spare its memory. */
const MOST = 2048;

/**
 * Red, green, blue and opacity of a region, and where the square lies in it.
 * @typedef {{data: Uint8ClampedArray, width: number, left: number, top: number,
 *   side: number}} Square
 */

/**
 * The central square of a picture file. Throws an Error whose message is a sentence.
 * @param {Blob & {name?: string}} file
 * @returns {Promise<Square>}
 */
export async function read(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(
      `${file.name ?? "This"} can't be read as a picture here: choose another, or save it as PNG or JPEG.`,
    );
  }
  const { width, height } = bitmap;
  const side = Math.min(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2];
  // With a margin: at its edges a smaller picture is made of pixels around the square.
  const margin = 1 + side / 16;
  const [x, y] = [left, top].map((start) => Math.max(0, Math.floor(start - margin)));
  const w = Math.min(width, Math.ceil(left + side + margin)) - x;
  const h = Math.min(height, Math.ceil(top + side + margin)) - y;
  const scale = Math.min(1, MOST / side);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [w, h].map((length) => Math.round(length * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, x, y, w, h, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return {
    data,
    width: canvas.width,
    left: (left - x) * scale,
    top: (top - y) * scale,
    side: side * scale,
  };
}

/**
 * What each of `size` new pixels takes from the old ones: where it begins, and weights.
 * @param {number} start @param {number} length @param {number} size @param {number} last
 */
function weights(start, length, size, last) {
  const scale = length / size;
  const reach = Math.max(1, scale);
  return Array.from({ length: size }, (_, i) => {
    const centre = start + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - reach + 0.5));
    const to = Math.min(last, Math.trunc(centre + reach + 0.5));
    const raw = [];
    for (let j = from; j < to; j++)
      raw.push(Math.max(0, 1 - Math.abs((j - centre + 0.5) / reach)));
    const total = raw.reduce((sum, one) => sum + one, 0);
    return { from, parts: raw.map((one) => one / total) };
  });
}

/**
 * The square at size×size pixels, channels×size×size: three, or their mean.
 * @param {Square} square @param {number} size @param {number} channels 1 or 3
 */
export function shrink({ data, width, left, top, side }, size, channels) {
  const height = data.length / 4 / width;
  const across = weights(left, side, size, width);
  const narrow = new Uint8ClampedArray(3 * size * height);
  for (let row = 0; row < height; row++) {
    across.forEach(({ from, parts }, column) => {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        parts.forEach((part, j) => (sum += part * data[4 * (row * width + from + j) + c]));
        narrow[(c * height + row) * size + column] = Math.round(sum);
      }
    });
  }
  const colours = new Uint8ClampedArray(3 * size * size);
  weights(top, side, size, height).forEach(({ from, parts }, row) => {
    for (let c = 0; c < 3; c++) {
      for (let column = 0; column < size; column++) {
        let sum = 0;
        parts.forEach(
          (part, j) => (sum += part * narrow[(c * height + from + j) * size + column]),
        );
        colours[(c * size + row) * size + column] = Math.round(sum);
      }
    }
  });
  if (channels === 3) return new Uint8Array(colours);
  const plane = size * size;
  return Uint8Array.from({ length: plane }, (_, i) =>
    Math.round((colours[i] + colours[i + plane] + colours[i + 2 * plane]) / 3),
  );
}
