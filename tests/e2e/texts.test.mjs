// Whether everything that the pages say is written down, without a browser.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { texts } from '../../crates/http/src/ui/texts.js';

const FOLDER = new URL('../../crates/http/src/ui/', import.meta.url);

/** What a script calls the texts, or parts of them: `const { lists: said } = texts` makes `said` mean `texts.lists`. */
function namesIn(script) {
  const names = [['texts', []]];
  for (const [, parts, path] of script.matchAll(/const \{([^}]+)\} = texts((?:\.\w+)*);/g)) {
    for (const part of parts.split(',').map((part) => part.trim())) {
      const [key, name = key] = part.split(/:\s*/);
      names.push([name, [...path.split('.').slice(1), key]]);
    }
  }
  return names;
}

/** The paths that a script asks the texts for, as far as they are written out. */
function pathsIn(script) {
  return namesIn(script).flatMap(([name, start]) => {
    const uses = script.matchAll(new RegExp(`(?<![\\w./])${name}((?:\\.\\w+)+)`, 'g'));
    return [start, ...[...uses].map(([, path]) => [...start, ...path.split('.').slice(1)])];
  });
}

const lookUp = (path) => path.reduce((part, key) => (typeof part === 'object' ? part?.[key] : part), texts);

test('every text that a page asks for is there', () => {
  const scripts = readdirSync(FOLDER).filter((file) => file.endsWith('.js') && file !== 'texts.js');
  const asked = scripts.flatMap((file) =>
    pathsIn(readFileSync(new URL(file, FOLDER), 'utf8')).map((path) => ({ file, path })),
  );
  assert.ok(asked.length > 100, 'they are found');
  const missing = asked.filter(({ path }) => lookUp(path) === undefined);
  assert.deepEqual(missing.map(({ file, path }) => `${file}: ${path.join('.')}`), []);
});
