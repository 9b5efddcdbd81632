// What layers cost: a bottleneck, an Inception module, the last pooling. INCEPTION, from
// tools/site_data.py, says of which layers each line of a table consists; here is the one
// formula that they need. A test compares the numbers with inception_lib.analysis.costs.

// A number, the value of a slider, or a sum of these.
const amount = (term, values) =>
  Array.isArray(term) ? sum(term.map((t) => amount(t, values))) : (values[term] ?? term);

function layerCost(layer, values, bias) {
  const [input, output, kernel] = layer.map((term) => amount(term, values));
  const weights = kernel ** 2 * input * output;
  return {
    parameters: weights + (bias ? output : 0),
    multiplyAdds: weights * (values.map_size ?? 1) ** 2,
  };
}

// By row: the layers with what each costs, and the totals.
function costs({ rows, bias }, values) {
  const found = {};
  for (const [name, { layers, outputs }] of Object.entries(rows)) {
    const parts = Object.entries(layers).map(([kind, layer]) => ({
      kind,
      outputs: amount(layer[1], values),
      ...layerCost(layer, values, bias),
    }));
    const total = (measure) => sum(parts.map((part) => part[measure]));
    found[name] = {
      parts,
      outputs: amount(outputs, values),
      parameters: total("parameters"),
      multiplyAdds: total("multiplyAdds"),
    };
  }
  return found;
}

// What each explorer says in one line about its costs `c` at these values.
const lines = {
  bottleneck(c, values) {
    const [direct, through] = [c.direct.parameters, c.through.parameters];
    // A bottleneck's weights are proportional to its width.
    const most = Math.floor((direct * values.width) / through);
    let verdict = `${(direct / through).toFixed(1)} times fewer weights`;
    if (through === direct) verdict = "exactly as many weights";
    if (through > direct)
      verdict = `costs more: ${(through / direct).toFixed(2)} times as many weights`;
    return `<strong data-number="verdict">${verdict}</strong>. A bottleneck pays here up
      to a width of <b data-number="breakEven">${digits(most)}</b>.`;
  },
  module(c) {
    const times = (row) => (row.multiplyAdds / c.all.multiplyAdds).toFixed(1);
    return `Naive: <strong>${times(c.naive)} times</strong> as many multiply-adds; a plain
      3×3: <strong>${times(c.plain)} times</strong>.`;
  },
  pooling(c) {
    const times = c.flat.parameters / c.averaged.parameters;
    return `<strong>${digits(times)} times</strong> fewer weights once averaged.`;
  },
};

// A kernel whose size is a slider's has its branch's colour, or that of the trunk.
function colourOf(kind, { kernel_size: k }) {
  return colours[kind === "kernel" ? `${k}x${k}` : kind] ?? colours.trunk;
}

const label = ({ text }, values) => text.replace(/\{(\w+)\}/g, (_, field) => values[field]);

// A bar for each row that wants one, split into its layers. The table says the same, so
// a screen reader may pass over it.
function bars({ rows, measure }, c, values) {
  const shown = Object.entries(rows).filter(([, row]) => row.bar);
  const longest = Math.max(...shown.map(([name]) => c[name][measure]));
  const drawn = shown.map(([name, row], i) => {
    let x = 0;
    const boxes = c[name].parts.map((part) => {
      const width = (420 * part[measure]) / longest;
      const box = `<rect x="${x}" y="${i * 46 + 18}" width="${width}" height="20"
        fill="${colourOf(part.kind, values)}"/>`;
      x += width;
      return box;
    });
    return `<text x="0" y="${i * 46 + 12}">${label(row, values)}</text>${boxes.join("")}`;
  });
  const height = shown.length * 46;
  return `<svg viewBox="0 0 420 ${height}" aria-hidden="true">${drawn.join("")}</svg>`;
}

function table({ rows, bias }, c, values) {
  const body = Object.entries(rows).map(([name, row]) => {
    const numbers = ["outputs", "parameters", "multiplyAdds"].map(
      (what) => `<td data-number="${name} ${what}">${digits(c[name][what])}</td>`,
    );
    return `<tr><th scope="row">${label(row, values)}</th>${numbers.join("")}</tr>`;
  });
  return `<table><thead><tr><td></td><th scope="col">outputs</th>
    <th scope="col">${bias ? "parameters" : "weights"}</th><th scope="col">multiply-adds</th></tr></thead>
    <tbody>${body.join("")}</tbody></table>`;
}

// An Inception module as lanes as thick as their channels, from the input on the left to
// the output.
function lanes({ lanes: names = [] }, c, values) {
  if (!names.length) return "";
  const branches = names.map((name) => c[name].parts);
  const thickest = (parts) => Math.max(...parts.map((part) => part.outputs));
  const scale = 190 / sum(branches.map(thickest));
  const middle = 160;
  const input = { x: 50, y: middle, height: values.in_channels * scale };
  const output = { x: 480, y: middle, height: c.all.outputs * scale };
  let svg = "";
  let words = ""; // over all else
  const draw = ({ x, y, height }, colour, text) => {
    svg += `<rect x="${x}" y="${y - height / 2}" width="16" height="${height}" fill="${colour}"/>`;
    words += `<text x="${x + 8}" y="${y - height / 2 - 4}" text-anchor="middle">${text}</text>`;
  };
  const band = (from, to, colour) => {
    const [left, right] = [from.x + 16, to.x];
    svg += `<polygon fill="${colour}" fill-opacity="0.4" points="
      ${left},${from.y - from.height / 2} ${left},${from.y + from.height / 2}
      ${right},${to.y + to.height / 2} ${right},${to.y - to.height / 2}"/>`;
  };
  let top = middle - (190 + 3 * 32) / 2;
  let end = middle - output.height / 2;
  for (const parts of branches) {
    const y = top + (thickest(parts) * scale) / 2;
    top += thickest(parts) * scale + 32;
    let last = input;
    parts.forEach(({ kind, outputs }, i) => {
      const x = i === parts.length - 1 ? 300 : 160;
      const box = { x, y, height: outputs * scale };
      const name = kind === "pool" ? "max pool, 1×1" : kind.replace("x", "×");
      band(last, box, i === 0 ? colours.light : colours[kind]);
      draw(box, colours[kind], `${name}: ${outputs}`);
      last = box;
    });
    const colour = colours[parts.at(-1).kind];
    const place = { ...output, y: end + last.height / 2, height: last.height };
    band(last, place, colour);
    draw(place, colour, "");
    end += last.height;
  }
  draw(input, colours.trunk, `input: ${values.in_channels}`);
  draw(output, "none", `output: ${c.all.outputs}`);
  return `<svg viewBox="0 0 560 330" aria-hidden="true">${svg}${words}</svg>`;
}

for (const [kind, told] of Object.entries(lines)) {
  VIEWS[kind] = (place, explorer) => (values, say) => {
    const c = costs(explorer, values);
    place.innerHTML = [lanes, bars, table].map((f) => f(explorer, c, values)).join("");
    say(told(c, values));
  };
}
