// 11's crack: drawn at once; what the network says to it, once the network is loaded.

VIEWS.cracks = (place, explorer, says) => {
  const { names, module, channel, rare } = explorer;
  const pixels = decoded(explorer.pixels, Uint8Array);
  const side = Math.sqrt(pixels.length / names.length);
  const [picture] = canvases(place, 1);
  const answer = box(place);
  const wake = box(place, "wake");
  let network, crack, softmax, wanted, say, asking;
  if (location.protocol === "file:") {
    says.textContent = "This one is alive where the site is served: python -m http.server.";
    return () => {};
  }

  /** The cell, and the cell with its crack: 2×S×S. */
  function pair({ cell, angle, length, width, darkness }) {
    const own = pixels.subarray((cell - 1) * side * side, cell * side * side);
    const line = crack.straight(angle, length / 100, side);
    const both = new Uint8Array(2 * own.length);
    both.set(own);
    both.set(crack.darken(own, crack.cover(side, [line], width), darkness / 100), own.length);
    return both;
  }

  /** @param {string} title @param {number[]} pair @param {number} most @param {number} y */
  function bars(title, [without, cracked], most, y) {
    const row = (name, value, colour, i) => {
      const wide = (250 * Math.min(value, most)) / most;
      return `${text(0, y + 40 + 28 * i, name)}<rect x="76" y="${y + 26 + 28 * i}"
        width="${wide}" height="18" fill="${colour}"/>
        ${text(82 + wide, y + 40 + 28 * i, value.toFixed(2))}`;
    };
    return (
      text(0, y + 14, title, `font-weight="bold"`) +
      row("no crack", without, colours.trunk, 0) +
      row("crack", cracked, colours["3x3"], 1)
    );
  }

  // One question at a time, and always about what is shown now.
  async function ask() {
    if (asking || !network) return;
    asking = true;
    for (let asked; asked !== wanted; ) {
      asked = wanted;
      const found = await network.ask(pair(asked), new Float32Array(36).fill(1), [
        "output",
        module,
      ]);
      const sure = softmax(found.output).map(([, defective]) => defective);
      const { dims, data } = found[module];
      const places = dims[2] * dims[3];
      const loud = [0, 1].map((n) => {
        const start = (n * dims[1] + channel) * places;
        return Math.max(0, ...data.subarray(start, start + places)) / rare;
      });
      const titles = [
        "probability of a defect",
        `response of channel ${channel} of ${module} (1 is rare)`,
      ];
      const told = `${titles[0]} ${sure[0].toFixed(2)} without, ${sure[1].toFixed(2)} with`;
      const heard = `${titles[1]} ${loud[0].toFixed(2)} without, ${loud[1].toFixed(2)} with`;
      const most = Math.max(1, ...loud);
      answer.innerHTML = svg(
        400,
        180,
        `${told}; ${heard} the crack.`,
        bars(titles[0], sure, 1, 0) + bars(titles[1], loud, most, 88),
      );
      Object.assign(answer.dataset, { sure, loud, asked: Object.values(asked) });
      say(`A crack at ${asked.angle}°: ${told} it.`);
    }
    asking = false;
  }

  const ready = (async () => {
    crack = await import("../network/crack.js");
    const library = await import("../network/network.js");
    softmax = library.softmax;
    const about = await (await fetch(new URL("about.json", library.FILES))).json();
    if (about.missing) throw new Error(about.missing);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Ask the network (${Math.round(about.bytes / 1e6)} MB)`;
    button.onclick = async () => {
      const bar = document.createElement("progress");
      bar.setAttribute("aria-label", "loading the network");
      button.replaceWith(bar);
      try {
        const loaded = new library.Network(about);
        await loaded.load((share) => (bar.value = share));
        network = loaded;
        bar.remove();
        // With the keyboard one continues at the crack.
        place.parentElement.querySelector("input").focus({ preventScroll: true });
        await ask();
      } catch (error) {
        bar.replaceWith(button);
        says.textContent = `The network could not be woken here (${error.message}).`;
      }
    };
    wake.append(button);
  })();
  ready.catch((error) => {
    says.textContent = `The network doesn't answer here: ${error.message}`;
  });

  return async (values, tell) => {
    [wanted, say] = [{ ...values }, tell];
    await ready.catch(() => {});
    if (!crack) return;
    const { cell, angle } = wanted;
    const both = pair(wanted);
    const own = both.subarray(0, side * side);
    paintGrey(
      picture.canvas,
      [...both.subarray(side * side)],
      side,
      Math.min(...own),
      Math.max(...own),
    );
    picture.tell(`${names[cell - 1]}, a crack at ${angle}°`);
    if (!network)
      say(`${names[cell - 1]} with a crack at ${angle}°. What does the network say?`);
    ask();
  };
};
