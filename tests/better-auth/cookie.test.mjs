// Cookies and tokens that the real better-auth makes, before `switchboard serve` on the same PostgreSQL.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import pg from 'pg';

import { Server, eventually, freePort, request } from './server.mjs';

const { DATABASE_URL, SWITCHBOARD_BIN } = process.env;
const SECRET = 'a secret of the application, long enough';
const OTHER_SITE = 'https://evil.example';

describe('better-auth', { skip: DATABASE_URL && SWITCHBOARD_BIN ? false : 'nothing to test with' }, () => {
  let pool, application, auth, origin, switchboard, ana;

  before(async () => {
    const url = new URL(DATABASE_URL);
    const at = { host: decodeURIComponent(url.hostname), user: url.username, password: url.password };
    pool = new pg.Pool({ ...at, port: Number(url.port || 5432), database: url.pathname.slice(1) });
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    auth = theApplication(pool, origin, {});
    const { runMigrations } = await getMigrations(auth.options);
    await runMigrations();
    application = createServer(toNodeHandler(auth)).listen(port, '127.0.0.1');
    switchboard = await Server.start({
      DATABASE__URL: DATABASE_URL,
      SERVER__CORS_ORIGINS: origin,
      AUTH__COOKIE__SECRET: SECRET,
      AUTH__JWKS_URL: `${origin}/api/auth/jwks`,
      AUTH__ISSUER: origin,
      AUTH__AUDIENCE: origin,
    });
    ana = await signUp('ana');
  });

  after(async () => {
    await switchboard?.end();
    application?.closeAllConnections();
    await new Promise((closed) => application?.close(closed) ?? closed());
    await pool?.end();
  });

  /** Makes a user, as a front-end does; returns the id, and what the browser sends from then on. */
  async function signUp(name) {
    const body = { name, email: `${name}@example.com`, password: 'correct horse battery staple' };
    const answer = await request(`${origin}/api/auth/sign-up/email`, { method: 'POST', headers: { origin }, body });
    assert.equal(answer.status, 200, answer.text);
    return { id: answer.json.user.id, cookie: cookies(answer.headers['set-cookie']) };
  }

  const call = (procedure, headers, body) =>
    request(`${switchboard.url}/api/trpc/user.${procedure}`, { method: body === undefined ? 'GET' : 'POST', headers, body });

  /** As a page of the application's own does it. */
  const connect = (cookie, more = {}) => call('initiateWhatsAppSession', { cookie, origin, ...more }, null);

  test('the cookie signs its user in, and nobody else', async () => {
    assert.match(ana.cookie, /^better-auth\.session_token=[^;]+$/);
    const connected = await connect(ana.cookie);
    assert.equal(connected.status, 200, connected.text);
    const session = (await call('getWhatsAppSession', { cookie: ana.cookie })).json.result.data;
    assert.equal(session.userId, ana.id);
    assert.equal(session.sessionName, connected.json.result.data.sessionName);

    const ben = await signUp('ben');
    assert.equal((await call('getWhatsAppSession', { cookie: ben.cookie })).json.result.data, null);
    const stream = `${switchboard.url}/v1/sessions/${session.sessionName}/events`;
    assert.equal((await request(stream, { headers: { cookie: ben.cookie } })).status, 404);
    const watched = await request(stream, { headers: { cookie: ana.cookie }, first: true });
    assert.equal(watched.status, 200);
    assert.match(watched.text, /event: status/);
  });

  test('a cookie that somebody touched signs nobody in', async () => {
    const [name, value] = ana.cookie.split('=', 2);
    const [token, signature] = decodeURIComponent(value).split('.');
    const ben = decodeURIComponent((await signUp('other')).cookie.split('=', 2)[1]).split('.');
    for (const forged of [token, `${token}.`, `${token}x.${signature}`, `${ben[0]}.${signature}`, `${token}.${ben[1]}`]) {
      const refused = await call('getWhatsAppSession', { cookie: `${name}=${encodeURIComponent(forged)}` });
      assert.equal(refused.status, 401, forged);
    }
    const good = await call('getWhatsAppSession', { cookie: `a=b; ${name}=${encodeURIComponent(`${token}.${signature}`)}` });
    assert.equal(good.status, 200);
  });

  test('another site gets nothing by the cookie', async () => {
    const stream = `${switchboard.url}/v1/sessions/any/events`;
    for (const headers of [{ origin: OTHER_SITE }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }]) {
      for (const answer of [
        await connect(ana.cookie, { origin: undefined, ...headers }),
        await call('getWhatsAppSession', { cookie: ana.cookie, ...headers }),
      ]) {
        assert.equal(answer.status, 403, answer.text);
        assert.equal(answer.json.error.data.reason, 'cross_site');
      }
      const streamed = await request(stream, { headers: { cookie: ana.cookie, ...headers } });
      assert.deepEqual([streamed.status, streamed.json.code], [403, 'cross_site']);
    }
    const silent = await connect(ana.cookie, { origin: undefined });
    assert.equal(silent.status, 403, 'who does not say where it comes from changes nothing');
    const form = await connect(ana.cookie, { 'content-type': 'text/plain' });
    assert.equal(form.status, 415, form.text);
    const own = await connect(ana.cookie, { origin: switchboard.url });
    assert.equal(own.status, 200, own.text);
  });

  test('pages of the origins on the list may send the cookie along', async () => {
    const preflight = await request(`${switchboard.url}/api/trpc/user.initiateWhatsAppSession`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
    assert.equal(preflight.headers['access-control-allow-origin'], origin);
    assert.equal(preflight.headers['access-control-allow-credentials'], 'true');
  });

  test('a session that is signed out is dead within five seconds', async () => {
    const { cookie } = await signUp('cleo');
    assert.equal((await call('getWhatsAppSession', { cookie })).status, 200);
    const out = await request(`${origin}/api/auth/sign-out`, { method: 'POST', headers: { cookie, origin }, body: {} });
    assert.equal(out.status, 200, out.text);
    const took = await eventually('it is refused', async () => (await call('getWhatsAppSession', { cookie })).status, 401);
    assert.ok(took < 6000, `${took} ms`);
  });

  test('the cookie of a secure site has another name', async () => {
    const secure = theApplication(pool, origin, { useSecureCookies: true });
    const body = { email: 'ana@example.com', password: 'correct horse battery staple' };
    const answer = await secure.api.signInEmail({ body, asResponse: true });
    const cookie = cookies(answer.headers.getSetCookie());
    assert.match(cookie, /^__Secure-better-auth\.session_token=/);
    assert.equal((await call('getWhatsAppSession', { cookie })).json.result.data.userId, ana.id);
  });

  test('its tokens name the same user, by its keys', async () => {
    const { token } = (await request(`${origin}/api/auth/token`, { headers: { cookie: ana.cookie } })).json;
    const authorization = `Bearer ${token}`;
    assert.equal((await call('getWhatsAppSession', { authorization })).json.result.data.userId, ana.id);
    const [header, claims, signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, 'base64url')), sub: 'ben' }));
    const refused = `Bearer ${header}.${forged.toString('base64url')}.${signature}`;
    assert.equal((await call('getWhatsAppSession', { authorization: refused })).status, 401);
  });
});

/** The application, with what its author would write. */
function theApplication(database, baseURL, advanced) {
  return betterAuth({
    database,
    baseURL,
    secret: SECRET,
    advanced,
    emailAndPassword: { enabled: true },
    plugins: [jwt()],
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
  });
}

/** What a browser makes of `set-cookie`. */
function cookies(lines) {
  return lines.map((line) => line.split(';', 1)[0]).join('; ');
}
