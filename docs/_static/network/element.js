/**
 * A new element: its properties, attributes and listeners, then what is in it.
 *
 * @param {string} tag
 * @param {Record<string, any>} [given] "onclick" and the like are properties, "text" is the
 *   text, all else becomes an attribute.
 * @param {...(Node | string)} children
 * @returns {any} an HTMLElement of that tag
 */
export function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A button that is pressed or not. @param {HTMLElement} button @param {boolean} is */
export const press = (button, is) => button.setAttribute("aria-pressed", String(is));

/**
 * One stop for the Tab key, and arrow keys from button to button.
 * @param {HTMLElement} place
 * @param {number} columns
 * @param {() => HTMLElement[]} cells row by row; what is no button is passed over
 * @returns {(target?: HTMLElement) => void} makes a cell (the first button) the stop
 */
export function arrowKeys(place, columns, cells) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  place.setAttribute("role", "toolbar");
  const buttons = () => cells().filter((cell) => cell.tagName === "BUTTON");
  const stop = (target = buttons()[0]) => {
    for (const button of buttons()) button.tabIndex = button === target ? 0 : -1;
  };
  place.addEventListener("focusin", ({ target }) => stop(/** @type {any} */ (target)));
  place.addEventListener("keydown", (event) => {
    const all = cells();
    const at = all.indexOf(/** @type {any} */ (event.target));
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = all[at + steps[event.key]];
    if (next?.tagName === "BUTTON") next.focus();
  });
  return stop;
}
