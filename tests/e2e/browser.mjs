// A browser, and what every test expects of every page it shows.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import axe from 'axe-core';
import jsqr from 'jsqr';
import { PNG } from 'pngjs';
import puppeteer from 'puppeteer-core';

import { required } from './environment.mjs';

const SCREENSHOTS = required('SCREENSHOTS');
mkdirSync(SCREENSHOTS, { recursive: true });

/** Long enough for a busy machine. */
const PATIENCE = 30_000;

const DESKTOP = { width: 1280, height: 800 };
const VIEWPORTS = { phone: { width: 390, height: 844 }, desktop: DESKTOP };
const NARROWEST = { width: 360, height: 740 };

const profile = mkdtempSync(join(tmpdir(), 'browser-'));
const browser = await puppeteer.launch({
  executablePath: required('CHROMIUM'),
  userDataDir: profile,
  args: [
    // Tests run as root in containers, where there is no sandbox to be had.
    '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--lang=en',
  ],
});
after(async () => {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
});

/**
 * A new visitor's page. What its console complains of fails the test in the end.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} url
 * @param {RegExp} [expected] what the test provokes the console to complain of
 */
export async function visit(t, url, expected) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.setViewport(DESKTOP);
  const visitor = new Visitor(page);
  visitor.expected = expected ?? visitor.expected;
  t.after(async () => {
    await context.close();
    assert.deepEqual(visitor.complaints, [], 'the console is silent');
  });
  await page.goto(url);
  return visitor;
}

class Visitor {
  /** What the console said, less what the test expects. */
  complaints = [];
  /** Complaints that the test provokes. */
  expected = /^$/;

  constructor(page) {
    this.page = page;
    page.on('console', (message) => {
      const text = `${message.text()} ${message.location().url ?? ''}`;
      if (['error', 'warn'].includes(message.type()) && !this.expected.test(text)) this.complaints.push(text);
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** The element of that role and name, as a screen reader knows it, once it is there. */
  find(role, name) {
    return this.page.waitForSelector(`::-p-aria([name="${name}"][role="${role}"])`, { visible: true });
  }

  async click(role, name) {
    const element = await this.find(role, name);
    await element.click();
  }

  /** Waits until the page shows a text. */
  async reads(text) {
    const shows = (text) => {
      const shown = [...document.querySelectorAll('main, dialog')].map(({ innerText }) => innerText);
      return shown.join('\n').replaceAll('\u202f', ' ').includes(text);
    };
    await this.page.waitForFunction(shows, {}, text).catch(async (error) => {
      throw new Error(`${JSON.stringify(text)} is not shown, but\n${await this.shown()}`, { cause: error });
    });
  }

  /** All the text that is shown. */
  shown() {
    return this.page.$eval('main', ({ innerText }) => innerText);
  }

  async type(role, name, text) {
    const element = await this.find(role, name);
    await element.type(text);
  }

  /**
   * Holds back what the page asks for at addresses with that part, until what it returns is called: with an answer, or
   * to ask the server.
   *
   * @param {string} part
   */
  async hold(part) {
    const held = [];
    let holds = true;
    await this.page.setRequestInterception(true);
    this.page.on('request', (request) => {
      if (holds && request.url().includes(part)) held.push(request);
      else request.continue();
    });
    return async (answer) => {
      holds = false;
      for (const request of held) {
        // What the page has given up has nobody left to answer.
        await (answer ? request.respond(answer) : request.continue()).catch(() => {});
      }
    };
  }

  /** Presses Tab until the element of that role and name has the focus, as somebody without a mouse does. */
  async tabTo(role, name) {
    const wanted = await this.find(role, name);
    for (let tabs = 0; tabs < 40; tabs++) {
      await this.page.keyboard.press('Tab');
      if (await wanted.evaluate((element) => element === document.activeElement)) {
        const visible = await wanted.evaluate((element) => getComputedStyle(element).outlineStyle !== 'none');
        assert.ok(visible, `${name}: the focus is seen`);
        return;
      }
    }
    assert.fail(`Tab does not reach ${role} ${name}`);
  }

  /** The role and text of what has the focus. */
  focused() {
    return this.page.evaluate(() => `${document.activeElement.tagName} ${document.activeElement.textContent}`.trim());
  }

  /** The text of the QR code, read from the screen. */
  async scannedText() {
    const image = await this.page.waitForSelector('img.qr:not([hidden])', { visible: true });
    await image.evaluate((image) => image.decode());
    const { data, width, height } = PNG.sync.read(Buffer.from(await image.screenshot()));
    const code = jsqr.default(new Uint8ClampedArray(data), width, height);
    assert.ok(code, 'the screen shows a QR code');
    return code.data;
  }

  /**
   * Looks at what is shown as everybody would see it: keeps pictures, and finds nothing cut, nothing wider than the
   * screen, no word that only programmers know, and nothing that keeps somebody out.
   */
  async look(name) {
    for (const scheme of ['light', 'dark']) {
      await this.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      for (const [device, viewport] of Object.entries(VIEWPORTS)) {
        await this.page.setViewport(viewport);
        await settled(this.page);
        await this.page.screenshot({ path: join(SCREENSHOTS, `${name}-${device}-${scheme}.png`) });
        await fits(this.page, `${name} on a ${device}`);
        await spoken(this.page, `${name} on a ${device}`);
        await accessible(this.page, `${name} on a ${device}, ${scheme}`);
      }
    }
    await this.page.setViewport(NARROWEST);
    await settled(this.page);
    await fits(this.page, `${name} on the narrowest phone`);
    await this.page.emulateMediaFeatures([]);
    await this.page.setViewport(DESKTOP);
    await settled(this.page);
  }
}

/** Two frames, since the first only lays out; and until nothing fades in or changes its colour any more. */
async function settled(page) {
  await page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))));
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
  });
}

async function fits(page, where) {
  const wide = await page.evaluate(() => {
    const cut = [...document.querySelectorAll('button, h1, h2, p, li, label, input, img')].filter((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      const unseen = element.closest('.unseen') || width === 0;
      return !unseen && (left < 0 || right > innerWidth || (element.tagName === 'BUTTON' && element.scrollWidth > element.clientWidth));
    });
    const scrolls = document.documentElement.scrollWidth > document.documentElement.clientWidth;
    return [...(scrolls ? ['the page'] : []), ...cut.map((element) => element.outerHTML.slice(0, 200))];
  });
  assert.deepEqual(wide, [], `${where}: everything fits`);
}

/** What is missing or no text at all is shown as one of these words. */
async function spoken(page, where) {
  const text = await page.$eval('body', ({ innerText }) => innerText);
  assert.doesNotMatch(text, /\bundefined\b|\[object|\bNaN\b/, `${where}: everything is said in words`);
}

async function accessible(page, where) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ html }) => html).slice(0, 3) }));
  });
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(serious, [], `${where}: everybody can use it`);
}
