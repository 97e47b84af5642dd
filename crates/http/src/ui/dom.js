// Elements without HTML: whatever people or servers wrote goes in as text.

/**
 * Makes an element. `on…` attributes are listeners, `true` and `false` switch an attribute on and off.
 *
 * @param {string} tag
 * @param {Record<string, string | number | boolean | ((event: any) => void)>} [attributes]
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** Sets a text, unless it is there already: a screen reader would say it again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Somebody's words: of any script and direction, whatever stands beside them. */
export function words(text, attributes = {}) {
  return h('bdi', attributes, text);
}

/** A heading that can be focused by the page, though not with the keyboard. */
export function heading(level, text) {
  return h(`h${level}`, { tabindex: -1 }, text);
}

/**
 * Puts one view in the place of another, seen from its top. Whoever had the focus in what goes away gets it at the new
 * heading: the next Tab goes on from there.
 */
export function swap(place, ...next) {
  const focused = place.contains(document.activeElement);
  place.replaceChildren(...next);
  if (focused) (place.querySelector('[autofocus]') ?? place.querySelector('h1'))?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

/**
 * A button that does one thing at a time. It keeps the focus while it is busy, as a disabled one would not.
 *
 * @param {string} label
 * @param {() => Promise<unknown> | void} act
 */
export function button(label, act, attributes = {}) {
  return h('button', { type: 'button', ...attributes, onclick: ({ currentTarget }) => once(currentTarget, act) }, label);
}

/** Runs `act`, unless it is running for this element already; says so while it runs. */
export async function once(element, act) {
  if (element.getAttribute('aria-disabled') === 'true') return;
  element.setAttribute('aria-disabled', 'true');
  try {
    await act();
  } finally {
    element.removeAttribute('aria-disabled');
  }
}
