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
