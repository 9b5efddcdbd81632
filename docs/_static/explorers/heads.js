// 04's heads: what they add to the gradients, which docs/gradients.json holds.

/**
 * By stage the norm of g₀ + w₁·g₁ + w₂·g₂ over that of the weights, from the inner
 * products of the gradients: LossGradients.relative.
 */
function relative({ weight_norms: norms, products }, weight1, weight2) {
  const w = [1, weight1, weight2];
  return products.map((product, stage) => {
    const squared = sum(product.map((row, i) => w[i] * sum(row.map((p, j) => w[j] * p))));
    return Math.sqrt(Math.max(0, squared)) / norms[stage];
  });
}

VIEWS.heads = (place, { measured, lowest, highest, taps }) => {
  const [width, height, left, bottom] = [460, 300, 44, 230];
  const up = (ratio) => {
    const exponent = Math.max(lowest, Math.log10(Math.max(ratio, 1e-30)));
    return bottom - ((exponent - lowest) / (highest - lowest)) * (bottom - 14);
  };
  return (values, say) => {
    const key = ["initialisation", "convolutions", "moment"].map((field) => values[field]);
    const stored = measured.find((one) => one.key.join() === key.join());
    const { stages } = stored;
    const across = (i) => left + 16 + (i * (width - left - 28)) / (stages.length - 1);
    const [w1, w2] = [values["head 1"] / 100, values["head 2"] / 100];
    const curves = {
      "output's loss alone": [relative(stored, 0, 0), colours.trunk, "6 4"],
      [`with ${w1.toFixed(2)} and ${w2.toFixed(2)}`]: [
        relative(stored, w1, w2),
        colours.auxiliary,
        "",
      ],
    };
    let drawn = line(left, bottom, width, bottom) + line(left, 14, left, bottom);
    for (let n = lowest; n <= highest; n += 2) {
      const y = up(10 ** n);
      drawn += line(left - 4, y, left, y);
      drawn += text(
        left - 8,
        y + 4,
        `10<tspan dy="-5" font-size="9">${n}</tspan>`,
        `text-anchor="end"`,
      );
    }
    stages.forEach((stage, i) => {
      const at = `${across(i) + 4}, ${bottom + 14}`;
      drawn += text(0, 0, stage, `transform="translate(${at}) rotate(-45)" text-anchor="end"`);
    });
    for (const [head, stage] of Object.entries(taps)) {
      const x = across(stages.indexOf(stage));
      drawn += line(x, 14, x, bottom, `stroke-dasharray="2 3"`) + text(x + 4, bottom - 6, head);
    }
    Object.entries(curves).forEach(([name, [ratios, colour, dash]], row) => {
      const points = ratios.map((ratio, i) => [across(i), up(ratio)]);
      drawn += `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}"
        stroke-width="2" stroke-dasharray="${dash}"/>`;
      points.forEach(([x, y], i) => {
        const about = `fill="${colour}" data-series="${row}" data-value="${ratios[i]}"`;
        drawn += dash
          ? `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" ${about}/>`
          : `<circle cx="${x}" cy="${y}" r="4" ${about}/>`;
      });
      const y = 24 + 18 * row;
      drawn += `<path d="M${left + 12} ${y - 4}h28" stroke="${colour}" stroke-width="3" stroke-dasharray="${dash}"/>`;
      drawn += text(left + 46, y, name);
    });
    drawn += text(
      (left + width) / 2,
      height - 10,
      "stage of the trunk, image on the left",
      `text-anchor="middle"`,
    );
    const [alone, both] = Object.values(curves).map(([ratios]) => ratios);
    const ends = (ratios) =>
      `${power(ratios[0])} in the first stage, ${power(ratios.at(-1))} in the last`;
    const told = `Gradient norm over weight norm along the trunk, ${key.join(", ")}. Output's
      loss alone: ${ends(alone)}. With the heads: ${ends(both)}.`;
    place.innerHTML =
      `<p class="axis">gradient norm / weight norm</p>` + svg(width, height, told, drawn);
    say(`First stage: ${power(alone[0])} → <strong>${power(both[0])}</strong>;
      4b, behind head 1: ${power(alone[6])} → ${power(both[6])}.`);
  };
};
