// A question that has to be answered before something is done.
import { h } from './dom.js';

/**
 * Whether the answer is yes. Esc is a no, and the focus goes back to where it was.
 *
 * @param {{title: string, text: string, yes: string, no: string}} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes, no }) {
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'question', 'aria-describedby': 'consequence' },
    h('h2', { id: 'question' }, title),
    h('p', { id: 'consequence' }, text),
    // The harmless answer comes first and has the focus.
    h(
      'div',
      { class: 'choices' },
      h('button', { type: 'button', class: 'secondary', autofocus: true, onclick: () => dialog.close('no') }, no),
      h('button', { type: 'button', class: 'danger', onclick: () => dialog.close('yes') }, yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answered) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      answered(dialog.returnValue === 'yes');
    });
  });
}
