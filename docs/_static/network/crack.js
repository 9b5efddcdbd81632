// The cracks of inception_lib.analysis.cracks: a test compares the pixels.

/**
 * A line from one point to another, each [x, y] as parts of the picture's side.
 * @typedef {[[number, number], [number, number]]} Segment
 */

/** Between the bus bars of cells with two and of cells with three: row, column. */
export const BETWEEN_BARS = [0.38, 0.5];

/**
 * @param {number} angle in degrees, counter-clockwise from horizontal
 * @param {number} length as a part of the side
 * @param {number} side of the picture in pixels: the middle is the centre of one
 * @returns {Segment}
 */
export function straight(angle, length, side) {
  const [row, column] = BETWEEN_BARS.map((place) => (Math.floor(place * side) + 0.5) / side);
  const radians = (angle * Math.PI) / 180;
  const x = (Math.cos(radians) * length) / 2;
  const y = (-Math.sin(radians) * length) / 2;
  return [
    [column - x, row - y],
    [column + x, row + y],
  ];
}

/**
 * How much of each pixel the lines cover, 0 to 1, at side×side pixels.
 * @param {number} side
 * @param {Segment[]} segments
 * @param {number} width in pixels
 */
export function cover(side, segments, width) {
  const covered = new Float32Array(side * side);
  const most = Math.min(1, width);
  const reach = width / 2 + 0.5;
  for (const [from, to] of segments) {
    const [x0, y0, x1, y1] = [...from, ...to].map((part) => part * side);
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squared = dx * dx + dy * dy || 1;
    const first = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - reach));
    const last = (a, b) => Math.min(side - 1, Math.ceil(Math.max(a, b) + reach));
    for (let row = first(y0, y1); row <= last(y0, y1); row++) {
      for (let column = first(x0, x1); column <= last(x0, x1); column++) {
        const [x, y] = [column + 0.5 - x0, row + 0.5 - y0];
        const along = Math.min(1, Math.max(0, (x * dx + y * dy) / squared));
        const away = Math.hypot(x - along * dx, y - along * dy);
        const here = Math.min(most, Math.max(0, reach - away));
        const i = row * side + column;
        if (here > covered[i]) covered[i] = here;
      }
    }
  }
  return covered;
}

/**
 * Pixels from which the cover takes a part of the light, channel by channel.
 * @param {Uint8Array} pixels channels×side×side
 * @param {Float32Array} covered side×side
 * @param {number} darkness the part of the light that is taken, 0 to 1
 */
export function darken(pixels, covered, darkness) {
  return pixels.map((value, i) =>
    Math.round(value * (1 - darkness * covered[i % covered.length])),
  );
}
