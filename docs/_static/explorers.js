// Sliders without Python: the closed forms of inception_lib.analysis.costs, which a test
// compares with these. INCEPTION, from tools/site_data.py, holds the paper's modules,
// the sliders' limits and the colours.

const { modules, limits, largestMap, colours } = INCEPTION;
const digits = (n) => n.toLocaleString("en-US");
const millions = (n) =>
  (n / 1e6).toLocaleString("en-US", {
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });

// ---- the arithmetic -------------------------------------------------------------------

const weights = (cIn, cOut, k) => k * k * cIn * cOut;

function bottleneckCosts({ input, output, kernel, width, map }) {
  const direct = weights(input, output, kernel);
  const first = weights(input, width, 1);
  const second = weights(width, output, kernel);
  return {
    direct,
    first,
    second,
    through: first + second,
    directMultiplyAdds: direct * map ** 2,
    throughMultiplyAdds: (first + second) * map ** 2,
    breakEven: Math.floor(direct / (input + kernel ** 2 * output)),
  };
}

function convolutionCost(cIn, cOut, k, map) {
  const w = weights(cIn, cOut, k);
  return { parameters: w + cOut, multiplyAdds: w * map ** 2 };
}

function sum(costs) {
  const total = { parameters: 0, multiplyAdds: 0 };
  for (const cost of costs) {
    total.parameters += cost.parameters;
    total.multiplyAdds += cost.multiplyAdds;
  }
  return total;
}

function moduleCosts(v) {
  const c = v.in_channels;
  const m = v.map_size;
  const parts = {
    "1x1": convolutionCost(c, v.ch1x1, 1, m),
    "3x3 reduce": convolutionCost(c, v.ch3x3red, 1, m),
    "3x3": convolutionCost(v.ch3x3red, v.ch3x3, 3, m),
    "5x5 reduce": convolutionCost(c, v.ch5x5red, 1, m),
    "5x5": convolutionCost(v.ch5x5red, v.ch5x5, 5, m),
    pool: convolutionCost(c, v.pool_proj, 1, m),
  };
  const out = v.ch1x1 + v.ch3x3 + v.ch5x5 + v.pool_proj;
  return {
    parts,
    out,
    branches: {
      "1x1": parts["1x1"],
      "3x3": sum([parts["3x3 reduce"], parts["3x3"]]),
      "5x5": sum([parts["5x5 reduce"], parts["5x5"]]),
      pool: parts.pool,
    },
    total: sum(Object.values(parts)),
    naive: sum([
      convolutionCost(c, v.ch1x1, 1, m),
      convolutionCost(c, v.ch3x3, 3, m),
      convolutionCost(c, v.ch5x5, 5, m),
    ]),
    naiveOut: c + out - v.pool_proj,
    plain: convolutionCost(c, out, 3, m),
  };
}

function poolingCosts({ map, channels, classes }) {
  return {
    flat: channels * map ** 2 * classes,
    averaged: channels * classes,
  };
}

// ---- drawing --------------------------------------------------------------------------

// Each kind of explorer draws a picture, and a line that sums it up. Only the line is read
// out when a slider moves: a whole table at every key press is too much to listen to.

const number = (name, n) => `<b data-number="${name}">${digits(n)}</b>`;

// Rows of bars, each split into parts of {value, colour, hatched}. The text beside the
// picture says the same, so that a screen reader may pass over it.
function bars(rows) {
  const longest = Math.max(...rows.map(({ parts }) => sumOf(parts)));
  const drawn = rows.map(({ label, parts }, i) => {
    let x = 0;
    const boxes = parts.map(({ value, colour, hatched }) => {
      const width = (420 * value) / longest;
      const place = `x="${x}" y="${i * 46 + 18}" width="${width}" height="20"`;
      x += width;
      const lines = hatched ? `<rect ${place} fill="url(#hatched)"/>` : "";
      return `<rect ${place} fill="${colour}"/>${lines}`;
    });
    const text = `<text x="0" y="${i * 46 + 12}">${label}</text>`;
    return text + boxes.join("");
  });
  const hatch = `<defs><pattern id="hatched" width="8" height="8" patternUnits="userSpaceOnUse"
    patternTransform="rotate(45)"><line x1="0" x2="0" y2="8" stroke="white" stroke-width="2"/></pattern></defs>`;
  const height = rows.length * 46;
  return `<svg viewBox="0 0 420 ${height}" aria-hidden="true">${hatch}${drawn.join("")}</svg>`;
}

const sumOf = (parts) => parts.reduce((total, { value }) => total + value, 0);

// Four lanes as thick as their channels, from the input on the left to the output.
function lanes(v, out) {
  const rows = [
    { boxes: [[300, v.ch1x1, "1x1", "1×1"]] },
    { boxes: [[160, v.ch3x3red, "3x3 reduce", "1×1"], [300, v.ch3x3, "3x3", "3×3"]] },
    { boxes: [[160, v.ch5x5red, "5x5 reduce", "1×1"], [300, v.ch5x5, "5x5", "5×5"]] },
    { boxes: [[160, v.in_channels, "light", "max pool"], [300, v.pool_proj, "pool", "1×1"]] },
  ];
  const thick = (row) => Math.max(...row.boxes.map(([, channels]) => channels));
  const scale = 190 / rows.reduce((total, row) => total + thick(row), 0);
  const middle = 160;
  let top = middle - (190 + 3 * 32) / 2;
  let end = middle - (out * scale) / 2;
  let svg = "";
  const band = (x1, y1, h1, x2, y2, h2, colour) => {
    svg += `<polygon fill="${colour}" fill-opacity="0.4" points="${x1},${y1 - h1 / 2}
      ${x1},${y1 + h1 / 2} ${x2},${y2 + h2 / 2} ${x2},${y2 - h2 / 2}"/>`;
  };
  const box = (x, y, h, colour) => {
    svg += `<rect x="${x}" y="${y - h / 2}" width="16" height="${h}" fill="${colour}"/>`;
  };
  const label = (x, y, h, text) => {
    svg += `<text x="${x + 8}" y="${y - h / 2 - 4}" text-anchor="middle">${text}</text>`;
  };
  const input = v.in_channels * scale;
  for (const row of rows) {
    const y = top + (thick(row) * scale) / 2;
    top += thick(row) * scale + 32;
    let [x, at, height] = [66, middle, input];
    row.boxes.forEach(([left, channels, kind, name], i) => {
      const h = channels * scale;
      band(x, at, height, left, y, h, i === 0 ? colours.light : colours[kind]);
      box(left, y, h, colours[kind]);
      label(left, y, h, `${name}: ${channels}`);
      [x, at, height] = [left + 16, y, h];
    });
    const colour = colours[row.boxes.at(-1)[2]];
    band(x, y, height, 480, end + height / 2, height, colour);
    box(480, end + height / 2, height, colour);
    end += height;
  }
  box(50, middle, input, colours.trunk);
  label(50, middle, input, `input: ${v.in_channels}`);
  label(480, middle, out * scale, `output: ${out}`);
  return `<svg viewBox="0 0 560 330" aria-hidden="true">${svg}</svg>`;
}

function drawBottleneck(v) {
  const c = bottleneckCosts(v);
  const k = `${v.kernel}×${v.kernel}`;
  const colour = colours[`${v.kernel}x${v.kernel}`] ?? colours.trunk;
  const ratio =
    c.through <= c.direct
      ? `${(c.direct / c.through).toFixed(1)} times fewer weights`
      : `costs more: ${(c.through / c.direct).toFixed(2)} times as many weights`;
  const verdict = c.through === c.direct ? "exactly as many weights" : ratio;
  const picture = bars([
    { label: `direct, ${k}`, parts: [{ value: c.direct, colour }] },
    {
      label: `through ${v.width}: 1×1, then ${k}`,
      parts: [
        { value: c.first, colour: colours["1x1"], hatched: true },
        { value: c.second, colour },
      ],
    },
  ]);
  const text = `<p>Direct: ${number("direct", c.direct)} weights,
    ${number("directMultiplyAdds", c.directMultiplyAdds)} multiply-adds.<br>
    Through ${v.width} channels: ${digits(c.first)} + ${digits(c.second)} =
    ${number("through", c.through)} weights,
    ${number("throughMultiplyAdds", c.throughMultiplyAdds)} multiply-adds.</p>`;
  const line = `<strong data-number="verdict">${verdict}</strong>. A bottleneck pays here up
    to a width of ${number("breakEven", c.breakEven)}.`;
  return [picture + text, line];
}

const branchNames = { "1x1": "1×1", "3x3": "3×3", "5x5": "5×5", pool: "pool" };

function drawModule(v) {
  const c = moduleCosts(v);
  const outputs = { "1x1": v.ch1x1, "3x3": v.ch3x3, "5x5": v.ch5x5, pool: v.pool_proj };
  const row = (name, channels, cost, mark) => `<tr><th scope="row">${mark}${name}</th>
    <td>${digits(channels)}</td>
    <td>${number(`parameters ${name}`, cost.parameters)}</td>
    <td>${number(`multiplyAdds ${name}`, cost.multiplyAdds)}</td></tr>`;
  const square = (kind) => `<span class="mark" style="background:${colours[kind]}"></span>`;
  const rows = Object.entries(c.branches).map(([kind, cost]) =>
    row(branchNames[kind], outputs[kind], cost, square(kind)),
  );
  const parts = Object.entries(c.parts).map(([kind, cost]) => ({
    value: cost.multiplyAdds,
    colour: colours[kind],
  }));
  const naive = [{ value: c.naive.multiplyAdds, colour: colours.trunk, hatched: true }];
  const plain = [{ value: c.plain.multiplyAdds, colour: colours.trunk }];
  const told = (name, channels, cost) =>
    `${name}, ${channels} out: ${millions(cost.multiplyAdds)} million multiply-adds`;
  const picture = `${lanes(v, c.out)}
    <table><thead><tr><th scope="col">branch</th><th scope="col">outputs</th>
    <th scope="col">parameters</th><th scope="col">multiply-adds</th></tr></thead>
    <tbody>${rows.join("")}${row("all", c.out, c.total, "")}</tbody></table>
    ${bars([
      { label: told("this module", c.out, c.total), parts },
      { label: told("naive, without 1×1s", c.naiveOut, c.naive), parts: naive },
      { label: told("plain 3×3", c.out, c.plain), parts: plain },
    ])}
    <p class="visually-hidden">${told("A naive module", c.naiveOut, c.naive)};
    ${told("a plain 3×3 layer", c.out, c.plain)}.</p>`;
  const times = (cost) => (cost.multiplyAdds / c.total.multiplyAdds).toFixed(1);
  const line = `${millions(c.total.multiplyAdds)} million multiply-adds. Naive:
    <strong>${times(c.naive)} times</strong> as many; a plain 3×3:
    <strong>${times(c.plain)} times</strong>.`;
  return [picture, line];
}

function drawPooling(v) {
  const c = poolingCosts(v);
  const side = `${v.map}×${v.map}`;
  const picture = bars([
    {
      label: "flatten, connect",
      parts: [{ value: c.flat, colour: colours.trunk, hatched: true }],
    },
    { label: "average, connect", parts: [{ value: c.averaged, colour: colours["1x1"] }] },
  ]);
  const text = `<p>Flattened: ${side} × ${v.channels} × ${v.classes} = ${number("flat", c.flat)} weights.<br>
    Averaged: ${v.channels} × ${v.classes} = ${number("averaged", c.averaged)} weights.</p>`;
  const line = `<strong>${digits(v.map ** 2)} times</strong> fewer weights once averaged.`;
  return [picture + text, line];
}

// ---- sliders --------------------------------------------------------------------------

// name: [what it says, least, most, step, start]
const channels = (most, start) => [1, most, 1, start];
const moduleNames = {
  in_channels: "input",
  ch1x1: "1×1",
  ch3x3red: "3×3 reduce",
  ch3x3: "3×3",
  ch5x5red: "5×5 reduce",
  ch5x5: "5×5",
  pool_proj: "pool proj",
};
const kinds = {
  bottleneck: {
    title: "Sliders of a bottleneck",
    draw: drawBottleneck,
    sliders: {
      input: ["input channels", ...channels(1024, 512)],
      output: ["output channels", ...channels(1024, 64)],
      kernel: ["kernel size", 1, 11, 2, 5],
      width: ["bottleneck width", ...channels(1024, 24)],
      map: ["map size", 1, largestMap, 1, 14],
    },
  },
  module: {
    title: "Sliders of an Inception module",
    draw: drawModule,
    presets: modules,
    sliders: {
      ...Object.fromEntries(
        Object.entries(moduleNames).map(([field, name]) => [
          field,
          [`${name} channels`, 8, limits[field], 8, 8],
        ]),
      ),
      map_size: ["map size", 7, 28, 7, 28],
    },
  },
  pooling: {
    title: "Sliders of the last pooling",
    draw: drawPooling,
    sliders: {
      map: ["map size", 1, 32, 1, 7],
      channels: ["channels", 1, 2048, 1, 1024],
      classes: ["classes", 1, 2000, 1, 1000],
    },
  },
};

function build(place) {
  const { title, draw, sliders, presets = {} } = kinds[place.dataset.kind];
  const values = {};
  const inputs = {};
  place.innerHTML = "";
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", title);
  const picture = document.createElement("div");
  picture.className = "picture";
  const line = document.createElement("p");
  line.setAttribute("role", "status");
  const buttons = {};

  const redraw = () => {
    [picture.innerHTML, line.innerHTML] = draw(values);
    for (const [name, button] of Object.entries(buttons)) {
      const pressed = Object.entries(presets[name]).every(([f, n]) => values[f] === n);
      button.setAttribute("aria-pressed", pressed);
    }
  };
  const set = (field, value) => {
    values[field] = value;
    for (const input of inputs[field]) input.value = value;
  };

  if (Object.keys(presets).length) {
    const row = document.createElement("div");
    row.className = "presets";
    for (const [name, preset] of Object.entries(presets)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.onclick = () => {
        for (const [field, value] of Object.entries(preset)) set(field, value);
        redraw();
      };
      buttons[name] = button;
      row.append(button);
    }
    place.append("A module of the paper: ", row);
  }
  for (const [field, [name, min, max, step, start]] of Object.entries(sliders)) {
    const row = document.createElement("div");
    row.className = "slider";
    const label = document.createElement("span");
    label.textContent = name;
    inputs[field] = ["range", "number"].map((type) => {
      const input = Object.assign(document.createElement("input"), { type, min, max, step });
      input.name = field;
      input.setAttribute("aria-label", type === "range" ? name : `${name}, as a number`);
      input.oninput = () => {
        // A box that is half typed leaves the last valid picture standing.
        if (!input.checkValidity() || input.value === "") return;
        values[field] = Number(input.value);
        for (const other of inputs[field]) if (other !== input) other.value = input.value;
        redraw();
      };
      return input;
    });
    row.append(label, ...inputs[field]);
    place.append(row);
    set(field, start);
  }
  if (place.dataset.kind === "module") {
    const start = modules[place.dataset.start ?? "3a"];
    for (const [field, value] of Object.entries(start)) set(field, value);
  }
  place.append(picture, line);
  redraw();
}

document.querySelectorAll(".explorer").forEach(build);

// What scrolls sideways must be reachable by keyboard.
for (const box of document.querySelectorAll("pre, table, .table-wrapper, .output, .formula")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
