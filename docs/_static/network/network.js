// The network as the page sees it: it is loaded, and then it is asked.

/** Where tools/site_network.py has put the files. */
export const FILES = new URL("../../network/", import.meta.url);

/**
 * A tensor: its shape, and its numbers row by row.
 * @typedef {{dims: number[], data: Float32Array}} Numbers
 */

/** @param {Numbers} logits N×K @returns {number[][]} N rows of K probabilities */
export function softmax({ dims: [count, classes], data }) {
  return Array.from({ length: count }, (_, n) => {
    const row = [...data.subarray(n * classes, (n + 1) * classes)];
    const most = Math.max(...row);
    const powers = row.map((logit) => Math.exp(logit - most));
    const total = powers.reduce((sum, one) => sum + one, 0);
    return powers.map((power) => power / total);
  });
}

/**
 * A picture and its mirror images, one after the other.
 * @param {Uint8Array} pixels C×S×S
 * @param {number} side S
 * @param {number[]} dims what may be flipped: 3 left-right, 2 up-down
 */
export function views(pixels, side, dims) {
  let all = [pixels];
  for (const dim of dims) {
    const flipped = all.map((view) =>
      view.map((_, i) => {
        const column = i % side;
        const row = Math.floor(i / side) % side;
        if (dim === 3) return view[i - column + side - 1 - column];
        return view[i + (side - 1 - 2 * row) * side];
      }),
    );
    all = [...all, ...flipped];
  }
  const joined = new Uint8Array(all.length * pixels.length);
  all.forEach((view, i) => joined.set(view, i * pixels.length));
  return joined;
}

/** The bytes of a file. @param {URL} url @param {(bytes: number) => void} arrived @param {AbortSignal} signal */
export async function download(url, arrived, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new Error(`${url} can't be loaded`);
  const reader = response.body.getReader();
  const parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    arrived(value.length);
  }
  return unpacked(new Blob(parts));
}

/**
 * Some servers unpack a .gz by themselves, others don't.
 * @param {Blob} blob
 */
async function unpacked(blob) {
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  if (first !== 0x1f || second !== 0x8b) return blob.arrayBuffer();
  const whole = blob.stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(whole).arrayBuffer();
}

export class Network {
  /** @type {Map<number, {resolve: Function, reject: Function}>} */
  waiting = new Map();
  asked = 0;

  /** @param {any} about what about.json says */
  constructor(about) {
    this.about = about;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
    };
    this.worker.onerror = () => {
      for (const { reject } of this.waiting.values()) reject(new Error("no module workers"));
    };
  }

  /** @param {string} task @param {object} given @param {Transferable[]} [moved] */
  send(task, given, moved = []) {
    const id = this.asked++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...given }, moved);
    });
  }

  /** @param {(share: number) => void} progress from 0 to 1 */
  async load(progress) {
    let bytes = 0;
    const arrived = (more) => progress((bytes += more) / this.about.bytes);
    const stop = new AbortController();
    const runtime = new URL("ort.js", FILES).href;
    try {
      const [wasm, network, shuffled] = await Promise.all(
        ["ort.wasm.gz", "network.onnx.gz", "shuffled.bin"].map((name) =>
          download(new URL(name, FILES), arrived, stop.signal),
        ),
      );
      const { layers } = this.about;
      const files = { wasm, network, shuffled };
      await this.send("load", { runtime, layers, ...files }, Object.values(files));
    } catch (error) {
      stop.abort(); // the other download
      this.worker.terminate();
      throw error;
    }
  }

  /**
   * @param {Uint8Array} pixels N×C×S×S
   * @param {Float32Array} mask 9×4: 0 switches a branch off
   * @param {string[]} names of the outputs that are wanted
   * @param {string} weights one of WEIGHTS; other than trained ones take a second once
   * @returns {Promise<Record<string, Numbers>>}
   */
  ask(pixels, mask, names, weights = "trained") {
    const { channels, side } = this.about;
    const shape = [pixels.length / channels / side ** 2, channels, side, side];
    return this.send("answer", { pixels, shape, mask, names, weights });
  }
}
