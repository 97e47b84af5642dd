// Every client, link and transformer that the tests are run with.
import { readFileSync } from 'node:fs';

import superjson from 'superjson';

import * as v10 from './clients/v10/client.mjs';
import * as v11 from './clients/v11/client.mjs';
import * as v11_0_0 from './clients/v11.0.0/client.mjs';

/** The version of `name` that `folder` pins. */
export function pinned(folder, name = '@trpc/client') {
  const manifest = new URL(`clients/${folder}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest, 'utf8')).dependencies[name];
}

/** From 11 on a transformer belongs to its link. */
function connect11(library, link, transformer) {
  return (http) => library.createTRPCClient({ links: [library[link]({ ...http, transformer })] });
}

/** In 10 it belonged to the client. */
function connect10(library, link, transformer) {
  return (http) => library.createTRPCProxyClient({ transformer, links: [library[link](http)] });
}

function combinationsOf(folder, library, connect, links) {
  return links.flatMap((link) =>
    [superjson, undefined].map((transformer) => ({
      name: `${pinned(folder)} ${link} ${transformer ? 'superjson' : 'plain'}`,
      /** Makes a client, given `{url, headers, fetch}`. */
      connect: connect(library, link, transformer),
      TRPCClientError: library.TRPCClientError,
      transformed: transformer !== undefined,
      batches: link !== 'httpLink',
      streams: link === 'httpBatchStreamLink',
    })),
  );
}

const LINKS = ['httpLink', 'httpBatchLink', 'httpBatchStreamLink'];

export const combinations = [
  ...combinationsOf('v11', v11, connect11, LINKS),
  ...combinationsOf('v11.0.0', v11_0_0, connect11, LINKS),
  // Its streaming link was unstable and speaks another protocol.
  ...combinationsOf('v10', v10, connect10, LINKS.slice(0, 2)),
];
