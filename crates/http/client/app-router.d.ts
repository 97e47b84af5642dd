// Made by `cargo xtask codegen` out of the server's procedures: do not edit.
import type {
  TRPCBuiltRouter,
  TRPCDefaultErrorData,
  TRPCErrorShape,
  TRPCMutationProcedure,
  TRPCQueryProcedure,
  TRPCSubscriptionProcedure,
} from '@trpc/server';

/** What the user can do about a session. */
export type Action = 'scan_qr_code' | 'wait' | 'connect' | 'complete_passkey' | 'confirm_passkey';

/** A campaign that is planned or running. */
export interface Campaign {
  /** Its id. */
  id: string;
  /** Whether it is planned or runs. */
  status: 'SCHEDULED' | 'IN_PROGRESS';
  /** When it starts or started. */
  startDate: Date;
}

/** A session that WAHA has accepted. */
export interface ConnectedSession {
  /** Its name, which the other operations take. */
  sessionName: string;
  /** Its id, which never changes. */
  id: string;
}

/** A contact of the list. */
export interface Contact {
  /** WhatsApp's id of the chat with them. */
  groupId: string;
  /** Their name, as it is saved or as they call themselves; else their number, or `Unknown`. */
  groupName: string;
  /** The digits of their number; `""` for a person known only by a hidden id. */
  number: string;
  /** Always true. */
  isContact: true;
}

/** A page of a list. */
export interface ContactPage {
  /** The entries, by folded name and then id. */
  items: Contact[];
  /** How many entries all pages have together. */
  total: number;
  /** Which list this is a page of. Sent with the next page, the pages fit together for a minute after the list has changed. */
  version: string;
  /** When WAHA was asked for it. */
  syncedAt: Date | null;
  /** Whether it is older than it should be, because WAHA cannot be asked or nobody has asked for a while. */
  stale: boolean;
  /** Whether a phone was paired a moment ago, so that WhatsApp may still be filling the list. */
  syncing: boolean;
  /** Where the next page begins. Absent on the last page. */
  nextCursor?: number;
  /** It ends where WhatsApp cuts lists, at 500 groups. Absent unless true. */
  possiblyTruncated?: true;
}

/** What an error says for programs. */
export interface ErrorData {
  /** tRPC's word for its kind. */
  code: string;
  /** The HTTP status of its kind. */
  httpStatus: number;
  /** What is wrong with the input, if that is it. */
  zodError: ZodError | null;
  /** The procedure; absent if it was the request as a whole. */
  path?: string;
  /** A stable word, where a code has several reasons. */
  reason?: ErrorReason;
}

/** Why something was refused: one of these, or one that is newer than these types. */
export type ErrorReason = 'active_campaign' | 'already_connected' | 'busy' | 'cross_site' | 'database_unavailable' | 'deadline' | 'group_not_found' | 'internal' | 'no_worker' | 'not_connected' | 'not_found' | 'not_json' | 'not_paired' | 'rate_limited' | 'refreshed_recently' | 'scope' | 'sign_in_unavailable' | 'starting' | 'too_many_streams' | 'version_gone' | 'waha_broken' | 'waha_timeout' | 'waha_unavailable' | 'whatsapp_rate_limit' | 'worker_failing' | (string & {});

/** A group of the list. */
export interface Group {
  /** WhatsApp's id of the group. */
  groupId: string;
  /** Its name. */
  groupName: string;
}

/** A page of a list. */
export interface GroupPage {
  /** The entries, by folded name and then id. */
  items: Group[];
  /** How many entries all pages have together. */
  total: number;
  /** Which list this is a page of. Sent with the next page, the pages fit together for a minute after the list has changed. */
  version: string;
  /** When WAHA was asked for it. */
  syncedAt: Date | null;
  /** Whether it is older than it should be, because WAHA cannot be asked or nobody has asked for a while. */
  stale: boolean;
  /** Whether a phone was paired a moment ago, so that WhatsApp may still be filling the list. */
  syncing: boolean;
  /** Where the next page begins. Absent on the last page. */
  nextCursor?: number;
  /** It ends where WhatsApp cuts lists, at 500 groups. Absent unless true. */
  possiblyTruncated?: true;
}

/** A group that the user works with. */
export interface LinkedGroup {
  /** The id of the link. */
  id: string;
  /** The group's name, which follows renames. */
  groupName: string;
  /** WhatsApp's id of the group. */
  groupId: string;
  /** The id of the session. */
  sessionId: string;
  /** When it was linked. */
  createdAt: Date;
  /** When it was last linked or renamed. */
  updatedAt: Date;
  /** The active ones. */
  campaigns: Campaign[];
}

/** A code that pairs a phone. */
export interface PairingCode {
  /** To type on the phone. A login secret. */
  code: string;
}

/** A QR code. */
export interface QrCode {
  /** A PNG in base64, without a data-URL prefix. A login secret. */
  qr: string;
}

/** Why a session does not work. */
export type Reason = 'logged_out' | 'qr_codes_expired' | 'connection_lost' | 'waha_unreachable';

/** A user's connected session. */
export interface Session {
  /** Its id, which never changes. */
  id: string;
  /** Its name, which the other operations take. */
  sessionName: string;
  /** In E.164, `""` until known: the account's, unless the user wrote another. */
  phoneNumber: string;
  /** Whose it is. */
  userId: string;
  /** When the user connected for the first time. */
  createdAt: Date;
  /** When what is shown here last changed. */
  updatedAt: Date;
  /** The linked groups of the present account. */
  WhatsAppGroups: LinkedGroup[];
}

/** The whole present state of a session. */
export interface SessionState {
  /** WAHA's word: one of these, or one that is newer than this server. */
  status: 'STOPPED' | 'STARTING' | 'SCAN_QR_CODE' | 'PASSKEY_REQUIRED' | 'PASSKEY_CONFIRMATION_REQUIRED' | 'WORKING' | 'FAILED' | (string & {});
  /** What the user can do. */
  action?: Action;
  /** Which code it is since the session began to wait for a scan, from 1. */
  attempt?: number;
  /** With `WORKING`, in E.164. */
  phoneNumber?: string;
  /** With `SCAN_QR_CODE`: a PNG in base64. A login secret. */
  qr?: string;
  /** When the code can no longer be scanned, if its beginning was seen. */
  qrExpiresAt?: Date;
  /** Why it does not work. */
  reason?: Reason;
}

/** How a session is. */
export interface SessionStatus {
  /** WAHA's word: one of these, or one that is newer than this server. */
  status: 'STOPPED' | 'STARTING' | 'SCAN_QR_CODE' | 'PASSKEY_REQUIRED' | 'PASSKEY_CONFIRMATION_REQUIRED' | 'WORKING' | 'FAILED' | (string & {});
}

/** The answer of a mutation that has nothing else to say. */
export interface Success {
  /** Always true. */
  success: true;
}

/** What `ZodError.flatten()` makes of the issues: those of the whole input, then by field. */
export interface ZodError {
  /** Of the input as a whole. */
  formErrors: string[];
  /** By field. */
  fieldErrors: Record<string, string[] | undefined>;
}

/** The procedures, by router. */
export type Procedures = {
  user: {
    /** Get the QR code */
    getSessionQR: Query<{ sessionName: string }, QrCode>;
    /** Ask for the status */
    getSessionStatus: Query<{ sessionName: string }, SessionStatus>;
    /** List contacts */
    getWhatsAppContacts: Query<{ sessionName: string; limit?: number | undefined; cursor?: number | null | undefined; search?: string | undefined; version?: string | undefined; all?: boolean | undefined }, ContactPage>;
    /** List groups */
    getWhatsAppGroups: Query<{ sessionName: string; limit?: number | undefined; cursor?: number | null | undefined; search?: string | undefined; version?: string | undefined }, GroupPage>;
    /** Show one's session */
    getWhatsAppSession: Query<void, Session | null>;
    /** Connect */
    initiateWhatsAppSession: Mutation<void, ConnectedSession>;
    /** Link a group */
    linkWhatsAppGroup: Mutation<{ sessionName: string; groupId: string }, LinkedGroup>;
    /** Log out */
    logoutSession: Mutation<{ sessionName: string }, Success>;
    /** Watch the session */
    onSessionStatus: Subscription<{ sessionName: string }, SessionState>;
    /** Refresh the lists */
    refreshDirectory: Mutation<{ sessionName: string }, Success>;
    /** Get a code to type */
    requestPairingCode: Mutation<{ sessionName: string; phoneNumber: string }, PairingCode>;
    /** Restart */
    restartSession: Mutation<{ sessionName: string }, Success>;
    /** Unlink a group */
    unlinkWhatsAppGroup: Mutation<{ sessionName: string; groupId: string }, Success>;
    /** Change the phone number */
    updateSessionPhone: Mutation<{ id: string; phoneNumber: string }, Success>;
  };
};

/** What `error.shape` is. */
export interface ErrorShape extends TRPCErrorShape<TRPCDefaultErrorData & ErrorData> {}

/** The router, to clients with superjson. */
export type AppRouter = TRPCBuiltRouter<Root<true>, Procedures>;

/** The router, to clients without a transformer: dates are strings. */
export type PlainAppRouter = TRPCBuiltRouter<Root<false>, Procedures>;

interface Root<Transformer extends boolean> {
  ctx: object;
  meta: object;
  errorShape: ErrorShape;
  transformer: Transformer;
}
interface Definition<Input, Output> {
  input: Input;
  output: Output;
  meta: object;
}
type Query<Input, Output> = TRPCQueryProcedure<Definition<Input, Output>>;
type Mutation<Input, Output> = TRPCMutationProcedure<Definition<Input, Output>>;
type Subscription<Input, Data> = TRPCSubscriptionProcedure<
  Definition<Input, AsyncIterable<{ id: string; data: Data }, void, unknown>>
>;
export {};
