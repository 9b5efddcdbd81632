// Pictures and maps, worked out anew for every move: cells through a bottleneck, the local
// response norm, dark marks in noise.

// ---- 01: what a bottleneck lets through -----------------------------------------------

/**
 * A picture of side×side pixels through the first `kept` of its blocks' directions, each
 * block being as many pixels as there are directions: nb01.draw_squeezed.
 * @returns {[Float32Array, Float32Array]} before and after, the picture's mean left out
 */
function throughBottleneck(pixels, side, directions, kept) {
  const channels = Math.sqrt(directions.length);
  const block = Math.sqrt(channels);
  const mean = sum(pixels) / pixels.length;
  const before = Float32Array.from(pixels, (value) => value - mean);
  const after = new Float32Array(pixels.length);
  for (let top = 0; top < side; top += block) {
    for (let left = 0; left < side; left += block) {
      const place = (c) => (top + Math.floor(c / block)) * side + left + (c % block);
      for (let k = 0; k < kept; k++) {
        let along = 0;
        for (let c = 0; c < channels; c++)
          along += directions[c * channels + k] * before[place(c)];
        for (let c = 0; c < channels; c++)
          after[place(c)] += along * directions[c * channels + k];
      }
    }
  }
  return [before, after];
}

const deviation = (values) => {
  const mean = sum(values) / values.length;
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1));
};

VIEWS.squeezed = (place, explorer) => {
  const { side, every, errors } = explorer;
  const pixels = decoded(explorer.pixels, Uint8Array);
  const directions = decoded(explorer.directions);
  const shown = canvases(place, 3);
  const curve = box(place);
  return ({ bottleneck, cell }, say) => {
    const at = (cell / every) * side * side;
    const own = pixels.subarray(at, at + side * side);
    const [before, after] = throughBottleneck(own, side, directions, bottleneck);
    const lost = before.map((value, i) => value - after[i]);
    const [low, high] = [Math.min(...before), Math.max(...before)];
    const half = (high - low) / 2;
    const pictures = [
      [before, low, high, `cell ${cell}: ${errors.length - 1} channels`],
      [after, low, high, `through ${bottleneck} channel${bottleneck > 1 ? "s" : ""}`],
      [lost, -half, half, "what is lost"],
    ];
    pictures.forEach(([values, least, most, told], i) => {
      paintGrey(shown[i].canvas, values, side, least, most);
      shown[i].tell(told);
    });
    const [x, y] = [(k) => 60 + (k * 326) / (errors.length - 1), (e) => 20 + 130 * (1 - e)];
    const points = errors.map((error, k) => [x(k), y(error)]);
    const told = "Error of all cells over the channels kept: it falls steeply, then flattens.";
    let drawn = line(60, 150, 386, 150) + line(60, 20, 60, 150);
    for (const e of [0, 0.5, 1]) drawn += text(54, y(e) + 4, percent(e), `text-anchor="end"`);
    for (const k of [0, 16, 32, 48, 64]) drawn += text(x(k), 168, k, `text-anchor="middle"`);
    drawn += `<polyline points="${points.join(" ")}" fill="none" stroke="${colours["1x1"]}" stroke-width="2"/>`;
    drawn += `<circle cx="${x(bottleneck)}" cy="${y(errors[bottleneck])}" r="6" fill="${colours["3x3"]}"/>`;
    drawn +=
      text(223, 188, "channels kept", `text-anchor="middle"`) +
      text(70, 14, "error of all cells");
    curve.innerHTML = svg(400, 194, told, drawn);
    const share = 100 * (deviation(lost) / deviation(before));
    say(`Of this cell <strong data-number="own">${share.toFixed(1)}</strong> % is lost; of all
      cells <b data-number="all">${(100 * errors[bottleneck]).toFixed(1)}</b> %.`);
  };
};

// ---- 05: the local response norm ------------------------------------------------------

/**
 * Channels×places through the norm over `size` channels; α is 0.0001, k is 1.
 * @param {Float32Array} x channel by channel
 */
function localResponseNorm(x, channels, size, beta) {
  const places = x.length / channels;
  const reach = Math.floor(size / 2);
  return x.map((value, i) => {
    const channel = Math.floor(i / places);
    const last = Math.min(channels - 1, channel + reach);
    let energy = 0;
    for (let c = Math.max(0, channel - reach); c <= last; c++)
      energy += x[i + (c - channel) * places] ** 2;
    return value * (1 + (1e-4 / size) * energy) ** -beta;
  });
}

VIEWS.norm = (place, { maps, channels }) => {
  const plain = decoded(maps);
  const places = plain.length / channels;
  const loudest = plain.indexOf(plain.reduce((most, value) => Math.max(most, value)));
  const [loud, at] = [Math.floor(loudest / places), loudest % places];
  const drawings = box(place, "pair");
  return ({ pixels, n, β: beta }, say) => {
    const x = plain.map((value) => value * pixels);
    const y = localResponseNorm(x, channels, n, beta / 100);
    const most = (values) => values.reduce((a, b) => Math.max(a, b));
    const end = 1.15 * x[loudest] || 1;
    const up = (value) => 230 - (210 * value) / end;
    const start = 46 + 6 * (loud - Math.floor(n / 2));
    let bars = `<rect x="${Math.max(46, start)}" y="20" width="${
      Math.min(46 + 6 * channels, start + 6 * n) - Math.max(46, start)
    }" height="210" fill="${colours["3x3 reduce"]}" fill-opacity="0.5"/>`;
    for (let c = 0; c < channels; c++) {
      const i = c * places + at;
      bars += `<rect x="${46 + 6 * c}" y="${up(x[i])}" width="5" height="${230 - up(x[i])}" fill="${colours.light}" stroke="currentColor" stroke-width="0.3"/>`;
      bars += `<rect x="${47 + 6 * c}" y="${up(y[i])}" width="3" height="${230 - up(y[i])}" fill="${colours["1x1"]}"/>`;
    }
    const scale = (x0) => {
      const step = 10 ** Math.floor(Math.log10(end / 2));
      const ticks = range(Math.floor(end / step) + 1).map((i) => i * step);
      const few = ticks.filter((_, i) => i % Math.ceil(ticks.length / 6) === 0);
      return few.map((v) => text(x0, up(v) + 4, digits(v), `text-anchor="end"`)).join("");
    };
    bars += line(46, 230, 46 + 6 * channels, 230) + line(46, 20, 46, 230) + scale(41);
    for (const c of [0, 20, 40, 60]) bars += text(49 + 6 * c, 246, c, `text-anchor="middle"`);
    bars += text(240, 264, "channel", `text-anchor="middle"`);
    bars += text(46, 14, `the loudest place, channel ${loud}: pale before, blue after`);
    const right = (value) => 46 + (210 * value) / end;
    let dots = "";
    for (let i = 0; i < x.length; i += 4)
      dots += `M${right(x[i]).toFixed(1)} ${up(y[i]).toFixed(1)}h2v2h-2z`;
    const [from, to] = [x[loudest].toFixed(0), y[loudest].toFixed(0)];
    const highest = [most(x), most(y)].map((value) => value.toFixed(0)).join(" → ");
    let all = `<path d="${dots}" fill="${colours["1x1"]}"/>`;
    all += line(46, 230, 256, 20, `stroke-dasharray="5 4"`);
    all += line(46, 230, 256, 230) + line(46, 20, 46, 230) + scale(41);
    all += text(150, 264, "before", `text-anchor="middle"`) + text(52, 34, "after");
    all += text(46, 14, `all places; highest ${highest}`);
    drawings.innerHTML =
      svg(436, 270, `Responses of the ${channels} channels before and after.`, bars) +
      svg(270, 270, `After over before, all places: highest ${highest}.`, all);
    say(`The loudest response, channel ${loud}: <b data-number="before">${from}</b> →
      <strong data-number="after">${to}</strong>; the highest of all:
      <span data-number="from">${most(x).toFixed(0)}</span> →
      <span data-number="to">${most(y).toFixed(0)}</span>.`);
  };
};

// ---- 10: a dark mark ------------------------------------------------------------------

/**
 * side×side: a mark of this length and width, the squares of its pixels adding up to
 * strength². nb10.draw_bars, from its three random numbers.
 */
function darkMark([x, y, turn], { side, strength }, length, width) {
  const [cos, sin] = [Math.cos(Math.PI * turn), Math.sin(Math.PI * turn)];
  const inside = (size, distance) => clamp(size / 2 + 0.5 - Math.abs(distance), 0, 1);
  const mark = range(side * side).map((i) => {
    const [across, down] = [(i % side) - 8 - 8 * x, Math.floor(i / side) - 8 - 8 * y];
    return inside(length, across * cos + down * sin) * inside(width, down * cos - across * sin);
  });
  const norm = Math.sqrt(sum(mark.map((value) => value ** 2)));
  return mark.map((value) => (value * strength) / norm);
}

/** The share of a mark that a window×window square sees where it sees most. */
function seen(places, explorer, length, width, window) {
  const { side, strength } = explorer;
  const shares = places.map((place) => {
    const squares = darkMark(place, explorer, length, width).map((value) => value ** 2);
    let most = 0;
    for (let top = 0; top + window <= side; top++) {
      for (let left = 0; left + window <= side; left++) {
        let here = 0;
        for (let row = top; row < top + window; row++)
          for (let column = left; column < left + window; column++)
            here += squares[row * side + column];
        most = Math.max(most, here);
      }
    }
    return most / strength ** 2;
  });
  return sum(shares) / shares.length;
}

VIEWS.defect = (place, explorer) => {
  const { side, windows, shown, counted } = explorer;
  const noise = decoded(explorer.noise);
  const area = side * side;
  const pictures = canvases(place, 2 * shown.length);
  const chart = box(place);
  return ({ length, width }, say) => {
    shown.forEach((one, i) => {
      const mark = darkMark(one, explorer, length, width);
      const hidden = mark.map((value, j) => noise[i * area + j] - value);
      const [alone, noisy] = [pictures[i], pictures[i + shown.length]];
      paintGrey(
        alone.canvas,
        mark.map((value) => -2 * value),
        side,
        -4,
        4,
      );
      paintGrey(noisy.canvas, hidden, side, -4, 4);
      alone.tell(`mark ${i + 1}`);
      noisy.tell("in noise");
    });
    let drawn = "";
    const told = Object.entries(windows).map(([window, colour], i) => {
      const share = seen(counted, explorer, length, width, Number(window));
      drawn += text(0, 22 + 32 * i, `${window}×${window}`);
      drawn += `<rect x="40" y="${8 + 32 * i}" width="${300 * share}" height="20"
        fill="${colours[colour]}" data-value="${share}"/>`;
      drawn += text(46 + 300 * share, 23 + 32 * i, percent(share));
      return `${window}×${window} ${percent(share)}`;
    });
    chart.innerHTML = svg(400, 136, `What windows see: ${told.join(", ")}.`, drawn);
    say(`Of a mark of ${length}×${width} a window sees: ${told.join(", ")}.`);
  };
};
