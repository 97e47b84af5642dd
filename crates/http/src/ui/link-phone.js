// Linking a phone: the QR code as it changes, or a pairing code.
import { now } from './clock.js';
import { button, h, heading, once, setText } from './dom.js';
import { DEMO, demoCall } from './settings.js';
import { notice } from './shell.js';
import { explain, texts } from './texts.js';

const { link } = texts;

/**
 * @param {import('./rpc.js').Api} api
 * @param {string} sessionName
 * @param {(error: import('./rpc.js').CallError) => boolean} handled whether an error was dealt with elsewhere
 */
export function linkPhone(api, sessionName, handled) {
  const usePhone = button(link.usePhone, () => useQr(false), { class: 'quiet' });
  const useCode = button(link.useQr, () => useQr(true), { class: 'quiet' });
  const byQr = qrCode(usePhone);
  const byPhone = pairingCode(api, sessionName, handled, useCode);
  const title = heading(1, link.title);
  const demo = DEMO ? pretend(sessionName) : [];
  const element = h('section', { class: 'card link' }, title, byQr.element, byPhone.element, ...demo);

  function useQr(yes) {
    byQr.element.hidden = !yes;
    byPhone.element.hidden = yes;
    setText(title, yes ? link.title : link.phoneTitle);
    if (yes) usePhone.focus();
    else byPhone.focus();
  }

  return { element, show: byQr.show, close: byQr.close };
}

function qrCode(otherWay) {
  const image = h('img', { class: 'qr', alt: link.qr, width: 260, height: 260, hidden: true });
  const waiting = h('p', { class: 'waiting' }, link.starting);
  // Its place is kept, whether there is a code or not: nothing jumps when one comes.
  const frame = h('div', { class: 'qr-frame' }, image, waiting);
  const countdown = h('p', { class: 'countdown' }, '\u00a0');
  const element = h('div', { class: 'ways' }, h('div', { class: 'scan' }, frame, countdown, h('p', { class: 'other' }, h('span', {}, link.usePhoneHint), otherWay)), steps(link.scanSteps));
  let expiresAt = NaN;

  const timer = setInterval(tick, 250);
  function tick() {
    const left = (expiresAt - now()) / 1000;
    const known = !image.hidden && !Number.isNaN(left);
    setText(countdown, known ? (left > 0 ? link.next(left) : link.nextSoon) : '\u00a0');
    frame.classList.toggle('fading', known && left <= 0);
  }

  return {
    element,
    /** Shows what there is to scan in this state. */
    show(state) {
      const { status, qr, qrExpiresAt } = state ?? {};
      image.hidden = !qr;
      waiting.hidden = Boolean(qr);
      setText(waiting, status === 'SCAN_QR_CODE' ? link.preparing : link.starting);
      const picture = `data:image/png;base64,${qr}`;
      if (qr && image.getAttribute('src') !== picture) image.src = picture;
      expiresAt = Date.parse(qrExpiresAt);
      tick();
    },
    close: () => clearInterval(timer),
  };
}

function pairingCode(api, sessionName, handled, otherWay) {
  const problem = notice();
  const phone = h('input', {
    id: 'phone', type: 'tel', autocomplete: 'tel', inputmode: 'tel', 'aria-describedby': 'phone-hint', required: true,
  });
  const submit = h('button', { type: 'submit', class: 'primary' }, link.getCode);
  const form = h(
    'form',
    { class: 'fields', novalidate: true, onsubmit: ask },
    h('label', { for: 'phone' }, link.phone),
    phone,
    h('p', { id: 'phone-hint', class: 'hint' }, link.phoneHint),
    submit,
  );
  const letters = h('output', { class: 'code', tabindex: -1 });
  const asked = h('p', { class: 'hint' });
  const again = button(link.anotherCode, () => ask(), { class: 'quiet' });
  const answer = h(
    'div',
    { class: 'answer', hidden: true },
    h('h2', {}, link.codeTitle),
    h('div', {}, letters, asked),
    steps(link.codeSteps),
    h('div', { class: 'others' }, again, button(link.anotherNumber, useAnother, { class: 'quiet' })),
  );
  const element = h('div', { class: 'pairing', hidden: true }, form, answer, problem.element, otherWay);

  function ask(event) {
    event?.preventDefault();
    const from = event ? form : answer;
    return once(event ? submit : again, async () => {
      problem.say();
      if (!/\d/.test(phone.value)) {
        problem.say(link.phoneMissing);
        return phone.focus();
      }
      try {
        const phoneNumber = phone.value;
        const { code } = await api.mutate('requestPairingCode', { sessionName, phoneNumber });
        if (!from.hidden) show(code, phoneNumber);
      } catch (error) {
        // Whoever is writing another number by now does not want to hear of this one.
        if (handled(error) || from.hidden) return;
        problem.say(error.code === 'BAD_REQUEST' ? texts.problems.phone : explain(error));
        if (error.code === 'BAD_REQUEST') phone.focus();
      }
    });
  }

  function show(code, phoneNumber) {
    letters.textContent = code;
    asked.textContent = link.codeFor(phoneNumber.trim());
    // Letter by letter, or it is read out as a word.
    letters.setAttribute('aria-label', link.code([...code].join(' ')));
    form.hidden = true;
    answer.hidden = false;
    letters.focus();
  }

  function useAnother() {
    problem.say();
    answer.hidden = true;
    form.hidden = false;
    phone.focus();
  }

  return { element, focus: () => (answer.hidden ? phone : letters).focus() };
}

function steps(list) {
  return h('ol', { class: 'steps' }, ...list.map((step) => h('li', {}, step)));
}

function pretend(sessionName) {
  const problem = notice();
  const scan = async () => {
    problem.say();
    try {
      const { success } = await demoCall('scan', { sessionName });
      if (!success) problem.say(link.nothingToScan);
    } catch (error) {
      problem.say(explain(error));
    }
  };
  return [h('p', { class: 'demo-note' }, link.demo, button(link.pretend, scan, { class: 'secondary' })), problem.element];
}
