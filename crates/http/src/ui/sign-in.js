// Signing in: with a token, or in the demo as anybody.
import { h, heading, once, setText } from './dom.js';
import { DEMO, demoCall } from './settings.js';
import { notice } from './shell.js';
import { explain, texts } from './texts.js';

const { signIn: said } = texts;

/**
 * @param {string} why what to say first, if anything
 * @param {(token: string) => Promise<void>} use throws a CallError for a token that is not good
 */
export function signIn(why, use) {
  const problem = notice();
  problem.say(why);
  const form = DEMO ? asAnybody(problem, use) : withToken(problem, use);
  const lead = DEMO ? said.demoLead : said.lead;
  return h('section', { class: 'card narrow' }, heading(1, said.title), h('p', { class: 'lead' }, lead), form, problem.element);
}

function withToken(problem, use) {
  const token = h('input', {
    id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'token-hint', autofocus: true,
  });
  const submit = h('button', { type: 'submit', class: 'primary' }, said.submit);
  const go = () => attempt(problem, token, said.missing, () => use(token.value.trim()));
  return form(
    submit,
    go,
    h('label', { for: 'token' }, said.token),
    token,
    h('p', { id: 'token-hint', class: 'hint' }, said.hint),
    submit,
  );
}

/** Exists in the demo only. */
function asAnybody(problem, use) {
  const name = h('input', { id: 'name', type: 'text', autocomplete: 'off', value: 'alice', dir: 'auto' });
  const submit = h('button', { type: 'submit', class: 'primary' }, said.demoSubmit(name.value));
  name.addEventListener('input', () => setText(submit, said.demoSubmit(name.value.trim() || '…')));
  const other = h('details', {}, h('summary', {}, said.demoOther), h('label', { for: 'name' }, said.demoName), name);
  const go = () =>
    attempt(problem, name, said.demoMissing, async () => {
      const { token } = await demoCall('sign-in', { user: name.value.trim() });
      await use(token);
    });
  return form(submit, go, submit, other);
}

function form(submit, go, ...children) {
  const act = (event) => {
    event.preventDefault();
    return once(submit, go);
  };
  return h('form', { class: 'fields', novalidate: true, onsubmit: act }, ...children);
}

async function attempt(problem, input, missing, go) {
  problem.say();
  if (!input.value.trim()) {
    problem.say(missing);
    return input.focus();
  }
  try {
    await go();
  } catch (error) {
    problem.say(error.code === 'UNAUTHORIZED' ? said.refused : explain(error));
  }
}
