// The same network with other weights, made out of its own file: nothing is downloaded.

/**
 * Where a layer's numbers lie in the file, in bytes: tools/site_network.py says it.
 * @typedef {{rows: number, columns: number, weights: number, scales: number,
 *   biases: number, std: number}} Layer
 */

/** What the weights may be. */
export const WEIGHTS = ["trained", "shuffled", "untrained"];

/** A whole number -> 32 bits that look random: site_network.py has the same. */
export function scattered(/** @type {number} */ x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

const STEPS = 2 ** 16;
const table = (/** @type {(part: number) => number} */ of) =>
  Float64Array.from({ length: STEPS }, (_, i) => of((i + 0.5) / STEPS));
const radii = table((part) => Math.sqrt(-2 * Math.log(part)));
const cosines = table((part) => Math.cos(2 * Math.PI * part));

/** A number of the normal distribution (Box and Muller), always the same for one i. */
export function normal(/** @type {number} */ i) {
  const random = scattered(i);
  return radii[random >>> 16] * cosines[random % STEPS];
}

/**
 * A copy of the file. Shuffled: the weights of each filter in random order, with the
 * scales and biases that its batch norms have then. Untrained: as a training begins.
 * @param {ArrayBuffer} file @param {Layer[]} layers
 * @param {Float32Array} measured scales and biases of the shuffled, layer by layer
 * @param {string} kind
 */
export function withOther(file, layers, measured, kind) {
  const bytes = file.slice(0);
  const view = new DataView(bytes);
  let number = 0; // of the weight, through the whole network
  let at = 0; // in what was measured
  for (const { rows, columns, weights, scales, biases, std } of layers) {
    const set = (/** @type {number} */ row, /** @type {number} */ scale, bias = 0) => {
      view.setFloat32(scales + 4 * row, scale, true);
      view.setFloat32(biases + 4 * row, bias, true);
    };
    const drawn = new Float64Array(columns);
    for (let row = 0; row < rows; row++, number += columns) {
      const values = new Int8Array(bytes, weights + row * columns, columns);
      if (kind === "shuffled") {
        for (let last = columns - 1; last > 0; last--) {
          const other = Math.floor((scattered(number + last) * (last + 1)) / 2 ** 32);
          const value = values[last];
          values[last] = values[other];
          values[other] = value;
        }
        set(row, measured[at + row], measured[at + rows + row]);
      } else {
        let largest = 0;
        for (let i = 0; i < columns; i++) {
          drawn[i] = normal(number + i);
          largest = Math.max(largest, Math.abs(drawn[i]));
        }
        for (let i = 0; i < columns; i++) values[i] = Math.round((127 * drawn[i]) / largest);
        set(row, (largest * std) / 127);
      }
    }
    at += 2 * rows;
  }
  return bytes;
}
