// What people write by hand today: a tRPC router on Node that asks WAHA each time. This one is spared what theirs do
// besides: it checks nobody's sign-in, and looks nothing up in a database.

import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPServer } from '@trpc/server/adapters/standalone';
import superjson from 'superjson';
import { z } from 'zod';

const { WAHA_URL, WAHA_API_KEY } = process.env;
const t = initTRPC.create({ transformer: superjson });

async function waha(path, query = {}) {
  const response = await fetch(`${WAHA_URL}/api/${path}?${new URLSearchParams(query)}`, {
    headers: { 'X-Api-Key': WAHA_API_KEY },
  });
  if (!response.ok) throw new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message: `WAHA says ${response.status}` });
  return response.json();
}

const ofSession = z.object({ sessionName: z.string().min(1) });
const ofList = (limit) =>
  ofSession.extend({
    limit: z.number().min(1).default(limit),
    cursor: z.number().default(0),
    search: z.string().optional(),
  });

// Without a search, WAHA makes the page; it cannot search, so that takes the whole list.
async function page(path, query, { limit, cursor, search }, item) {
  const wanted = search ? query : { ...query, limit, offset: cursor };
  const items = Object.values(await waha(path, wanted)).map(item);
  if (!search) return { items, nextCursor: items.length === limit ? cursor + limit : undefined };
  const found = items.filter(({ groupName }) => groupName.toLowerCase().includes(search.toLowerCase()));
  const next = cursor + limit;
  return {
    items: found.slice(cursor, next),
    nextCursor: next < found.length ? next : undefined,
    total: found.length,
  };
}

const router = t.router({
  user: t.router({
    getSessionStatus: t.procedure.input(ofSession).query(async ({ input }) => {
      const { status } = await waha(`sessions/${encodeURIComponent(input.sessionName)}`);
      return { status };
    }),
    getWhatsAppGroups: t.procedure.input(ofList(10)).query(({ input }) =>
      page(`${encodeURIComponent(input.sessionName)}/groups`, { exclude: 'participants' }, input, (group) => ({
        groupId: group.id,
        groupName: group.subject,
      })),
    ),
    getWhatsAppContacts: t.procedure.input(ofList(50)).query(({ input }) =>
      page('contacts/all', { session: input.sessionName }, input, (contact) => ({
        groupId: contact.id,
        groupName: contact.name ?? contact.pushname ?? contact.id.split('@')[0],
        number: contact.id.split('@')[0],
        isContact: true,
      })),
    ),
  }),
});

const server = createHTTPServer({ router, basePath: '/api/trpc/' });
// Read by the driver, which did not choose the port.
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
