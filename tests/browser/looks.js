// Elements for axe-core's color-contrast: three of each look. Text that looks alike, on what
// lies behind it, has the same contrast; to measure every word takes ten times as long.
() => {
  const known = new Map();
  const looks = new Map();

  const behind = (element) => {
    if (!element) return "";
    if (!known.has(element)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(element);
      const own = [backgroundColor, backgroundImage, opacity];
      known.set(element, [behind(element.parentElement), ...own].join());
    }
    return known.get(element);
  };

  for (const element of document.body.querySelectorAll("*")) {
    const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    const { right, width } = element.getBoundingClientRect();
    const seen = element.checkVisibility({ visibilityProperty: true }) && right > 1 && width > 1;
    if (!seen || !texts.some((node) => node.data.trim())) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const look = [color, fontSize, fontWeight, behind(element)].join();
    looks.set(look, [...(looks.get(look) ?? []), element].slice(0, 3));
  }
  return { include: [...looks.values()].flat() };
}
