// 07's training step: what its notebook measured, in each layout and precision.

VIEWS.speed = (place, { measured }) => {
  const [width, bar, left, right] = [560, 22, 170, 400];
  const most = Math.max(...measured.map((one) => one.ratio));
  const height = 34 + 2 * bar * measured.length;
  return (values, say) => {
    let drawn =
      text(left, 16, "steps in the time of one at the top") +
      text(right, 16, "% of a large convolution");
    let chosen = measured[0];
    measured.forEach((one, i) => {
      const is = one.layout === values.layout && one.precision === values.precision;
      if (is) chosen = one;
      const y = 30 + 2 * bar * i;
      const about = `y="${y}" height="${bar}" fill="${is ? colours["1x1"] : colours.light}"
        stroke="currentColor" stroke-width="${is ? 2 : 0}"`;
      const share = one.fraction_of_peak;
      drawn += text(left - 8, y + 10, one.layout, `text-anchor="end"`);
      drawn += text(left - 8, y + 24, one.precision, `text-anchor="end"`);
      const [ratios, shares] = [(140 * one.ratio) / most, 110 * share];
      drawn += `<rect x="${left}" width="${ratios}" data-value="${one.ratio}" ${about}/>`;
      drawn += text(left + ratios + 6, y + 16, one.ratio.toFixed(2));
      drawn += `<rect x="${right}" width="${shares}" data-value="${share}" ${about}/>`;
      drawn += text(right + shares + 6, y + 16, percent(share));
    });
    const told = `${chosen.ratio.toFixed(2)} times as fast as with channels first in float32,
      ${percent(chosen.fraction_of_peak)} of the processor's peak`;
    place.innerHTML = svg(width, height, `A training step: ${told}`, drawn);
    say(`<strong>${told}</strong>, on the machine that ran this notebook.`);
  };
};
