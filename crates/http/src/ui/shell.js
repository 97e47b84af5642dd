// What is around every view: the header, the place for views, and what is said to screen readers.
import { h, swap, words } from './dom.js';
import { texts } from './texts.js';

const announcer = h('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
const actions = h('div', { class: 'header-actions' });
const main = h('main', { id: 'main' });

/** Puts the empty page into the document, with `links` below everything. */
export function shell(...links) {
  const logo = h('img', { src: '/ui/favicon.svg', alt: '', width: 28, height: 28 });
  const brand = h('div', { class: 'brand' }, logo, h('span', {}, texts.product));
  const footer = links.length ? [h('footer', { class: 'footer' }, ...links)] : [];
  document.body.append(h('header', { class: 'header' }, brand, actions), main, ...footer, announcer);
}

/** Shows a view instead of the one before. */
export function show(...view) {
  swap(main, ...view);
}

/** What the header offers. */
export function offer(...elements) {
  actions.replaceChildren(...elements);
}

/** Who is signed in, as the header says it. */
export function who(name) {
  const [before, after] = texts.header.user('\n').split('\n');
  return h('span', { class: 'who' }, h('span', {}, before), words(name), h('span', {}, after));
}

/** Tells screen readers, whatever has the focus. */
export function announce(text) {
  announcer.textContent = text;
}

/** A place for what went wrong; there before it is needed, so that it is read out. */
export function notice() {
  const element = h('div', { class: 'notice', role: 'alert', hidden: true });
  return {
    element,
    /** Says something, or nothing any more. */
    say(text = '', ...more) {
      element.hidden = !text;
      element.replaceChildren(...(text ? [h('p', {}, text), ...more] : []));
    },
  };
}
