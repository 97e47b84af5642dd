// What `tsc --strict` has to accept, and what it has to refuse. Nothing of this runs.
import { TRPCClientError, createTRPCClient, httpBatchLink, httpLink, splitLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server';
import superjson from 'superjson';

import { createSwitchboardClient, isSwitchboardError, switchboardLink } from '@switchboard/client';
import type {
  Action,
  AppRouter,
  Campaign,
  ConnectedSession,
  ContactPage,
  ErrorReason,
  GroupPage,
  LinkedGroup,
  PairingCode,
  PlainAppRouter,
  QrCode,
  Reason,
  Session,
  SessionState,
  SessionStatus,
  Success,
  SwitchboardError,
  WithSwitchboard,
} from '@switchboard/client';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void;

type Inputs = inferRouterInputs<AppRouter>['user'];
type Outputs = inferRouterOutputs<AppRouter>['user'];
type PlainOutputs = inferRouterOutputs<PlainAppRouter>['user'];

// Every procedure, and no other.
same<
  keyof Inputs,
  | 'getSessionQR'
  | 'getSessionStatus'
  | 'getWhatsAppContacts'
  | 'getWhatsAppGroups'
  | 'getWhatsAppSession'
  | 'initiateWhatsAppSession'
  | 'linkWhatsAppGroup'
  | 'logoutSession'
  | 'onSessionStatus'
  | 'refreshDirectory'
  | 'requestPairingCode'
  | 'restartSession'
  | 'unlinkWhatsAppGroup'
  | 'updateSessionPhone'
>();

// What it takes.
type OfSession = { sessionName: string };
type Page = {
  sessionName: string;
  limit?: number | undefined;
  cursor?: number | null | undefined;
  search?: string | undefined;
  version?: string | undefined;
};
same<Inputs['getWhatsAppSession'], void>();
same<Inputs['initiateWhatsAppSession'], void>();
same<Inputs['getSessionStatus'], OfSession>();
same<Inputs['getSessionQR'], OfSession>();
same<Inputs['restartSession'], OfSession>();
same<Inputs['logoutSession'], OfSession>();
same<Inputs['refreshDirectory'], OfSession>();
same<Inputs['onSessionStatus'], OfSession>();
same<Inputs['updateSessionPhone'], { id: string; phoneNumber: string }>();
same<Inputs['requestPairingCode'], { sessionName: string; phoneNumber: string }>();
same<Inputs['linkWhatsAppGroup'], { sessionName: string; groupId: string }>();
same<Inputs['unlinkWhatsAppGroup'], { sessionName: string; groupId: string }>();
same<Inputs['getWhatsAppGroups'], Page>();
same<Required<Inputs['getWhatsAppContacts']>, Required<Page & { all?: boolean | undefined }>>;
same<Inputs['getWhatsAppContacts']['all'], boolean | undefined>();

// What it answers.
same<Outputs['getWhatsAppSession'], Session | null>();
same<Outputs['initiateWhatsAppSession'], ConnectedSession>();
same<Outputs['getSessionStatus'], SessionStatus>();
same<Outputs['getSessionQR'], QrCode>();
same<Outputs['restartSession'], Success>();
same<Outputs['updateSessionPhone'], Success>();
same<Outputs['logoutSession'], Success>();
same<Outputs['refreshDirectory'], Success>();
same<Outputs['unlinkWhatsAppGroup'], Success>();
same<Outputs['requestPairingCode'], PairingCode>();
same<Outputs['linkWhatsAppGroup'], LinkedGroup>();
same<Outputs['getWhatsAppGroups'], GroupPage>();
same<Outputs['getWhatsAppContacts'], ContactPage>();
same<Outputs['onSessionStatus'], AsyncIterable<{ id: string; data: SessionState }, void, unknown>>();

// To the last field, dates included.
same<Success['success'], true>();
same<ConnectedSession, { sessionName: string; id: string }>;
same<Session['createdAt'], Date>();
same<Session['WhatsAppGroups'], LinkedGroup[]>();
same<LinkedGroup['campaigns'], Campaign[]>();
same<Campaign['status'], 'SCHEDULED' | 'IN_PROGRESS'>();
same<Campaign['startDate'], Date>();
same<GroupPage['items'][number]['groupId'], string>();
same<ContactPage['items'][number]['isContact'], true>();
same<GroupPage['nextCursor'], number | undefined>();
same<GroupPage['syncedAt'], Date | null>();
same<GroupPage['possiblyTruncated'], true | undefined>();
same<SessionState['qrExpiresAt'], Date | undefined>();
same<SessionState['reason'], Reason | undefined>();
same<Action, 'scan_qr_code' | 'wait' | 'connect' | 'complete_passkey' | 'confirm_passkey'>();
const known: SessionStatus['status'] = 'SCAN_QR_CODE';
const newer: SessionStatus['status'] = 'A_WORD_OF_TOMORROW';
// @ts-expect-error absent is not the same as undefined
const page: Pick<GroupPage, 'nextCursor'> = { nextCursor: undefined };
void [known, newer, page];

// Without a transformer a date is what JSON makes of it.
same<NonNullable<PlainOutputs['getWhatsAppSession']>['createdAt'], string>();
same<PlainOutputs['getWhatsAppGroups']['syncedAt'], string | null>();

// The client.
const url = 'https://switchboard.example.com/api/trpc';
export const client = createSwitchboardClient({ url, token: 'a token', transformer: superjson });
const plain = createSwitchboardClient({ url, credentials: 'include', token: async () => null });
// @ts-expect-error it has to know where
createSwitchboardClient({ transformer: superjson });
// @ts-expect-error a transformer has two sides
createSwitchboardClient({ url, transformer: { serialize: superjson.serialize } });
// @ts-expect-error a token is a text
createSwitchboardClient({ url, token: () => 7 });

export async function calls() {
  const session = await client.user.getWhatsAppSession.query();
  if (session) same<typeof session.updatedAt, Date>();
  // @ts-expect-error there may be no session
  session.id;
  const texts = await plain.user.getWhatsAppSession.query();
  if (texts) same<typeof texts.updatedAt, string>();
  const { sessionName } = await client.user.initiateWhatsAppSession.mutate();
  await client.user.getWhatsAppGroups.query({ sessionName, cursor: null });
  await client.user.getWhatsAppContacts.query({ sessionName, all: true, search: 'jose' });

  // @ts-expect-error there is no such procedure
  client.user.getWhatsAppChats;
  // @ts-expect-error nor such a router
  client.admin;
  // @ts-expect-error a query does not mutate
  client.user.getSessionStatus.mutate;
  // @ts-expect-error a mutation is no query
  client.user.restartSession.query;
  // @ts-expect-error the session has to be named
  await client.user.getSessionStatus.query();
  // @ts-expect-error by a text
  await client.user.getSessionStatus.query({ sessionName: 7 });
  // @ts-expect-error under its name
  await client.user.getSessionStatus.query({ name: sessionName });
  // @ts-expect-error contacts know `all`, groups do not
  await client.user.getWhatsAppGroups.query({ sessionName, all: true });
  // @ts-expect-error a number is a number
  await client.user.getWhatsAppGroups.query({ sessionName, limit: '10' });
  // @ts-expect-error nothing is asked of a mutation without input
  await client.user.initiateWhatsAppSession.mutate({ sessionName });

  const stream = client.user.onSessionStatus.subscribe(
    { sessionName },
    {
      onData: ({ id, data }) => {
        same<typeof id, string>();
        same<typeof data, SessionState>();
      },
      onError: (error) => same<NonNullable<typeof error.data>['reason'], ErrorReason | undefined>(),
    },
  );
  stream.unsubscribe();
}

// Errors.
export function errors(error: unknown) {
  if (isSwitchboardError(error)) {
    same<typeof error, SwitchboardError>();
    same<typeof error.data.zodError, { formErrors: string[]; fieldErrors: Record<string, string[] | undefined> } | null>;
    const status: number = error.data.httpStatus;
    const reason: ErrorReason | undefined = error.data.reason;
    // @ts-expect-error not every error has one
    const always: string = error.data.reason;
    void [status, reason, always];
  }
  if (isSwitchboardError(error, 'not_paired', 'starting')) {
    const reason: 'not_paired' | 'starting' = error.data.reason;
    void reason;
  }
  // @ts-expect-error a reason is a word
  isSwitchboardError(error, 412);
  if (error instanceof TRPCClientError) void error.message;
}

// An application with a router of its own.
const t = initTRPC.create({ transformer: superjson });
const ours = t.router({
  posts: t.router({ latest: t.procedure.query(() => ({ at: new Date() })) }),
  // What was written by hand before makes room.
  user: t.router({ getWhatsAppSession: t.procedure.query(() => 'by hand') }),
});
type Both = WithSwitchboard<typeof ours>;
export const both = createTRPCClient<Both>({
  links: [
    splitLink({
      condition: ({ path }) => path.startsWith('user.'),
      true: switchboardLink({ url, token: async () => 'a token', transformer: superjson }),
      false: httpBatchLink({ url: '/api/trpc', transformer: superjson }),
    }),
  ],
});
export async function callBoth() {
  const { at } = await both.posts.latest.query();
  same<typeof at, Date>();
  const session = await both.user.getWhatsAppSession.query();
  same<typeof session, Session | null>();
  // @ts-expect-error neither has it
  both.user.nothing;
}

// The transformer of a link is that of its router.
switchboardLink<PlainAppRouter>({ url });
// @ts-expect-error this one has one
switchboardLink<AppRouter>({ url });
// @ts-expect-error and this one has none
switchboardLink<PlainAppRouter>({ url, transformer: superjson });
// tRPC's own links say the same.
httpLink<AppRouter>({ url, transformer: superjson });
// @ts-expect-error
httpLink<AppRouter>({ url });
