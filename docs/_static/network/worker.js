// The network runs here, beside the page, which stays free for the reader.

/** @type {any} */ let ort;
/** @type {any} */ let session;

const tasks = {
  /** @param {{runtime: string, wasm: ArrayBuffer, network: ArrayBuffer}} files */
  async load({ runtime, wasm, network }) {
    ort = await import(runtime);
    // One thread: more would need special headers from the server.
    Object.assign(ort.env.wasm, { wasmBinary: wasm, numThreads: 1 });
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(new Uint8Array(network), {
      executionProviders: ["wasm"],
    });
  },

  /** The outputs of these names, each {dims, data}. */
  async answer({ pixels, shape, mask, names }) {
    const feeds = {
      pixels: new ort.Tensor("uint8", pixels, shape),
      mask: new ort.Tensor("float32", mask, [9, 4]),
    };
    const found = await session.run(feeds, names);
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
