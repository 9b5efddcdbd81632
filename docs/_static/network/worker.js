// The network runs here, beside the page, which stays free for the reader.

import { withOther } from "./weights.js";

/** @type {any} */ let ort;
/** @type {ArrayBuffer} */ let file;
/** @type {import("./weights.js").Layer[]} */ let layers;
/** @type {Float32Array} */ let measured;
/** A network for each kind of weights that was asked for. @type {Record<string, any>} */
const sessions = {};

/** The runtime's, for a file. @param {ArrayBuffer} network */
const session = (network) =>
  ort.InferenceSession.create(new Uint8Array(network), { executionProviders: ["wasm"] });

/** @type {Record<string, (given: any) => Promise<any>>} */
const tasks = {
  /**
   * @param {{runtime: string, wasm: ArrayBuffer, network: ArrayBuffer, shuffled: ArrayBuffer,
   *   layers: import("./weights.js").Layer[]}} files
   */
  async load({ runtime, wasm, network, shuffled, ...about }) {
    ort = await import(runtime);
    // One thread: more would need special headers from the server.
    Object.assign(ort.env.wasm, { wasmBinary: wasm, numThreads: 1 });
    ort.env.logLevel = "error";
    [file, layers, measured] = [network, about.layers, new Float32Array(shuffled)];
    sessions.trained = await session(file);
  },

  /** The outputs of these names, each {dims, data}. */
  async answer({ pixels, shape, mask, names, weights }) {
    const feeds = {
      pixels: new ort.Tensor("uint8", pixels, shape),
      mask: new ort.Tensor("float32", mask, [9, 4]),
    };
    sessions[weights] ??= await session(withOther(file, layers, measured, weights));
    const found = await sessions[weights].run(feeds, names);
    return Object.fromEntries(
      names.map((name) => [name, { dims: [...found[name].dims], data: found[name].data }]),
    );
  },
};

onmessage = async ({ data: { id, task, ...given } }) => {
  try {
    postMessage({ id, result: await tasks[task](given) });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};
