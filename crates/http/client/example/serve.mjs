// Builds the example and serves it on the origin of a Switchboard, as a reverse proxy would:
// node example/serve.mjs [http://127.0.0.1:8080]
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css' };

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** Serves it on that port; returns where, and how to stop. */
export async function serve(switchboard, port) {
  const { outputFiles } = await build({
    entryPoints: [here('main.tsx')],
    outdir: here('.'),
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    minify: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    write: false,
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path.slice(here('.').length - 1), contents]));
  files.set('/index.html', await readFile(here('index.html')));

  const server = createServer((incoming, outgoing) => {
    const path = incoming.url === '/' ? '/index.html' : incoming.url;
    const file = files.get(path);
    if (file) return outgoing.writeHead(200, { 'content-type': TYPES[path.split('.').at(-1)] }).end(file);
    pass(incoming, outgoing, switchboard);
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** Passes a request on. */
function pass(incoming, outgoing, switchboard) {
  const { host, ...headers } = incoming.headers;
  const there = request(new URL(incoming.url, switchboard), { method: incoming.method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  there.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
  // Whoever leaves a stream leaves it here, too.
  outgoing.on('close', () => there.destroy());
  incoming.pipe(there);
}

if (process.argv[1] === here('serve.mjs')) {
  const { url } = await serve(process.argv[2] ?? 'http://127.0.0.1:8080', Number(process.env.PORT ?? 3000));
  console.log(`The example is at ${url}`);
}
