// Our package's types with the newest client: its own tests of them have the oldest that it is for, and both bindings to
// TanStack Query, which there are none of for newer ones.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { pinned } from './combinations.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PACKAGE = here('../../crates/http/client');

test(`tsc --strict accepts and refuses with @trpc/client ${pinned('v11')} what it has to`, { timeout: 120_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'switchboard-types-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const modules = join(folder, 'node_modules');
  const installed = join(modules, '@switchboard/client');
  mkdirSync(installed, { recursive: true });
  for (const file of ['package.json', 'index.js', 'index.d.ts', 'app-router.d.ts']) {
    cpSync(join(PACKAGE, file), join(installed, file));
  }
  symlinkSync(here('clients/v11/node_modules/@trpc'), join(modules, '@trpc'));
  for (const name of ['superjson', 'copy-anything']) symlinkSync(here(`node_modules/${name}`), join(modules, name));
  cpSync(join(PACKAGE, 'tests/types.ts'), join(folder, 'types.ts'));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(PACKAGE, 'tsconfig.json'), files: ['types.ts'] }));

  const tsc = spawnSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '--project', folder, '--listFiles'], {
    encoding: 'utf8',
  });
  assert.equal(tsc.status, 0, tsc.stdout.replace(/^\/.*\n/gm, ''));
  for (const name of ['@trpc/client', '@trpc/server']) {
    assert.equal(JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version, pinned('v11', name));
    // And no other one beside it.
    const seen = tsc.stdout.split('\n').filter((file) => file.includes(`/${name}/`));
    assert.ok(seen.length > 0 && seen.every((file) => file.startsWith(here(`clients/v11/node_modules/${name}/`))), `${seen}`);
  }
});
