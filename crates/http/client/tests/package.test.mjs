// The package as npm makes it, in an application that has installed it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

const run = (program, args, cwd) => execFileSync(program, args, { cwd, encoding: 'utf8', timeout: 60_000 });

test('what is packed is what an application needs, in Node and for tsc', { timeout: 120_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'switchboard-client-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], PACKAGE));

  const names = files.map(({ path }) => path).sort();
  assert.deepEqual(names, [
    'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'app-router.d.ts', 'index.d.ts', 'index.js', 'package.json',
  ]);

  const installed = join(folder, 'node_modules/@switchboard/client');
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', installed], folder);
  for (const name of ['@trpc', 'superjson', 'typescript', 'copy-anything']) {
    symlinkSync(join(PACKAGE, 'node_modules', name), join(folder, 'node_modules', name));
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'application.ts'), APPLICATION);

  const options = ['--strict', '--noEmitOnError', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom,esnext.disposable'];
  run(process.execPath, [join(PACKAGE, 'node_modules/typescript/bin/tsc'), ...options, '--skipLibCheck', 'application.ts'], folder);

  assert.equal(run(process.execPath, ['application.js'], folder).trim(), 'false function');
  assert.match(readFileSync(join(installed, 'app-router.d.ts'), 'utf8'), /do not edit/);
});

/** Its wrong line fails unless the types are found. */
const APPLICATION = `
import superjson from 'superjson';
import { createSwitchboardClient, isSwitchboardError } from '@switchboard/client';

const client = createSwitchboardClient({ url: '/api/trpc', transformer: superjson });
// @ts-expect-error there is no such procedure
void (() => client.user.nothing.query());
console.log(isSwitchboardError(new Error()), typeof client.user.getSessionQR.query);
`;
