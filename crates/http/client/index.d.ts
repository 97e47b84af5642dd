import type { TRPCClient, TRPCClientError, TRPCLink } from '@trpc/client';
import type { AnyTRPCRouter, TRPCBuiltRouter } from '@trpc/server';

import type { AppRouter, ErrorReason, ErrorShape, PlainAppRouter, Procedures } from './app-router.js';

export type * from './app-router.js';

export interface SwitchboardOptions {
  /** Where the router is: `https://switchboard.example.com/api/trpc`, or a path of one's own origin. */
  url: string;
  /**
   * A bearer token or an API key, or what gets one: it is asked before each request, and again when a stream's has
   * expired. Without one, or as long as there is none, the browser's cookie is what signs in.
   */
  token?: string | (() => string | null | undefined | Promise<string | null | undefined>) | undefined;
  /** `include` sends the cookie to another origin of the same site, too. */
  credentials?: RequestCredentials | undefined;
  /** For subscriptions where there is none, as in Node: the one of the package `eventsource`. */
  EventSource?: (new (url: string, init?: any) => any) | undefined;
}

/** `superjson`, or anything of its form that writes what superjson writes. */
export interface Transformer {
  serialize(value: any): any;
  deserialize(value: any): any;
}

/** A client with superjson: dates are `Date`s. */
export function createSwitchboardClient(
  options: SwitchboardOptions & { transformer: Transformer },
): TRPCClient<AppRouter>;
/** A client without a transformer: dates are strings. */
export function createSwitchboardClient(
  options: SwitchboardOptions & { transformer?: undefined },
): TRPCClient<PlainAppRouter>;

/**
 * The terminating link of such a client, for clients that have other links as well: calls are batched and answered one by
 * one (`httpBatchStreamLink`), subscriptions are streams (`httpSubscriptionLink`).
 */
export function switchboardLink<TRouter extends AnyTRPCRouter = AppRouter>(
  options: SwitchboardOptions & TransformerOf<TRouter>,
): TRPCLink<TRouter>;

type TransformerOf<TRouter extends AnyTRPCRouter> =
  TRouter['_def']['_config']['$types']['transformer'] extends true
    ? { transformer: Transformer }
    : { transformer?: undefined };

/** An application's own router with this one's `user` in it, for a client that talks to both. */
export type WithSwitchboard<TRouter extends AnyTRPCRouter> = TRPCBuiltRouter<
  TRouter['_def']['_config']['$types'],
  Omit<TRouter['_def']['record'], keyof Procedures> & Procedures
>;

/** A call that was refused, by the server: one that did not reach it has no `data`. */
export type SwitchboardError = TRPCClientError<AppRouter> & { readonly data: ErrorShape['data'] };

/** Whether it is a call that was refused. */
export function isSwitchboardError(error: unknown): error is SwitchboardError;
/** Whether it is a call that was refused for one of these reasons. */
export function isSwitchboardError<Reason extends ErrorReason>(
  error: unknown,
  ...reasons: [Reason, ...Reason[]]
): error is SwitchboardError & { readonly data: { readonly reason: Reason } };

export {};
