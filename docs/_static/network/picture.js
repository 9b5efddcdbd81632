// A picture file becomes the network's pixels, as inception_lib.training.pictures does it:
// upright, on white, the central square, made smaller by a triangle filter.

/** A longer side than this the browser makes smaller first, to spare its memory. */
const MOST = 2048;

/** Pillow's limit: four bytes each, that is what a browser may have. */
const MOST_PIXELS = 89_478_485;

/** How files begin that a browser may not know. @type {[string, RegExp][]} */
const FOREIGN = [
  ["TIFF", /^(II\*\0|MM\0\*)/],
  ["HEIC or AVIF", /^.{4}ftyp(hei|hev|mif1|avi)/s],
  ["JPEG 2000", /^(.{4}jP {2}|\xff\x4f\xff\x51)/s],
  ["PPM", /^P[1-6]\s/],
  ["SVG, a drawing without pixels", /^\s*<(\?xml|svg)/],
];
const KNOWN = /^(\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|BM)/s;

/** The beginning of a file, a character per byte. @param {Blob} file */
async function head(file) {
  const bytes = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  return String.fromCharCode(...bytes);
}

/** Why no bitmap came of it. @param {Blob} file */
async function reason(file) {
  if (!file.size) return "empty";
  const start = await head(file).catch(() => null);
  if (start === null) return "a folder, or gone";
  const foreign = FOREIGN.find(([, begins]) => begins.test(start));
  if (foreign) return `${foreign[0]}, which this browser can't read`;
  if (KNOWN.test(start)) return "damaged, cut off or far too large";
  return "in no format that this browser knows (PNG, JPEG, GIF, WebP, BMP)";
}

/** Whether a browser would show it as the camera lay: a WebP with another EXIF. */
async function isTurnedWebP(/** @type {Blob} */ file) {
  if (!/^RIFF.{4}WEBP/s.test(await head(file).catch(() => ""))) return false;
  const view = new DataView(await file.arrayBuffer());
  let at = 12;
  while (at + 8 < view.byteLength && view.getUint32(at) !== 0x45584946 /* "EXIF" */) {
    at += 8 + view.getUint32(at + 4, true);
    at += at % 2;
  }
  // Entries of twelve bytes: tag 0x0112 of kind 3, once, and its value.
  for (const little of [true, false]) {
    for (let i = at + 8; i + 12 <= view.byteLength; i++) {
      const [tag, kind] = [view.getUint16(i, little), view.getUint16(i + 2, little)];
      if (tag !== 0x0112 || kind !== 3 || view.getUint32(i + 4, little) !== 1) continue;
      return view.getUint16(i + 8, little) > 1;
    }
  }
  return false;
}

/** Width times height, before anything is unpacked; 0 if it is none. */
async function pixelCount(/** @type {Blob} */ file) {
  const address = URL.createObjectURL(file);
  const image = new Image();
  await new Promise((done) => {
    image.onload = image.onerror = done;
    image.src = address;
  });
  URL.revokeObjectURL(address);
  return image.naturalWidth * image.naturalHeight;
}

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
  const refuse = (/** @type {string} */ why) => {
    const name = file.name ?? "This";
    return new Error(
      `${name} can't be used as a picture: ${why}; choose another, or save it as PNG or JPEG.`,
    );
  };
  if ((await pixelCount(file)) > MOST_PIXELS) {
    throw refuse(`too large, over ${Math.round(MOST_PIXELS / 1e6)} million pixels`);
  }
  if (await isTurnedWebP(file)) throw refuse("a WebP that browsers don't turn upright");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw refuse(await reason(file));
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
