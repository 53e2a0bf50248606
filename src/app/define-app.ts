import type http from 'node:http';
import { types } from 'node:util';
import type { FastifyInstance, FastifyPluginOptions } from 'fastify';
import type pino from 'pino';
import type { JobDefinitions } from '../cron/job.ts';

/** Marks what defineApp() returned. Registered, so that two copies of the package know each other's. */
export const BRAND: unique symbol = Symbol.for('tricorn.app');

/** A worker's part in the service. */
export type Role = 'http' | 'evented' | 'cron';

/** What onStart and onStop get. */
export interface AppContext {
  /** The http.Server that the app is served by. It gets its connections from Tricorn: do not call listen(). */
  readonly server: http.Server;
  /** The [app] section of the ini. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly log: pino.Logger;
  readonly role: Role;
  /** Number of the worker, from 1. */
  readonly worker: number;
  /** Number of the thread in its worker, from 1; 0 where the worker has no threads. */
  readonly thread: number;
  /** Which boot or reload this worker belongs to, from 1. */
  readonly generation: number;
}

/** A Fastify plugin, with promise or with `done`. */
export type AppPlugin = (
  fastify: FastifyInstance,
  options: FastifyPluginOptions,
  done: (error?: Error) => void,
) => unknown;

/** A ready Fastify instance. */
export interface FastifyApp {
  readonly server: http.Server;
  readonly inject: (...args: never[]) => unknown;
  ready(): PromiseLike<unknown>;
}

/** An Express, Connect, Koa or Polka app. */
export interface MiddlewareApp {
  readonly use: (...args: never[]) => unknown;
  readonly listen: (...args: never[]) => unknown;
}

/** A WHATWG request handler, as Hono, h3, Deno and the service workers have it. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** An object with a fetch method: Hono, h3 and others. */
export interface FetchApp {
  readonly fetch: (request: Request, ...rest: never[]) => Response | Promise<Response>;
}

/** What health() gets. */
export interface HealthQuestion {
  /** Aborts when the answer is late: for `fetch()` and whatever else takes a signal. */
  readonly signal: AbortSignal;
}

export interface AppHooks {
  /** Runs in every worker and thread once the app is ready, before its first connection. A rejection ends the boot. */
  readonly onStart?: (context: AppContext) => unknown;
  /** Runs once in every worker and thread that ran onStart, after its last connection, with a time limit. */
  readonly onStop?: (context: AppContext) => unknown;
  /**
   * Whether the app can do its work: false or a rejection says that it cannot, and `/readyz` of the health port answers 503
   * where all event loops say so. Called in every worker and thread before its first connection, then 5 s after each answer;
   * one that takes longer than 5 s is none.
   */
  readonly health?: (question: HealthQuestion) => boolean | void | Promise<boolean | void>;
  /** The app's own figures, for statistics. */
  readonly stats?: () => Record<string, unknown> | Promise<Record<string, unknown>>;
}

type OneOf<T> = {
  [K in keyof T]: { readonly [P in K]: T[P] } & { readonly [P in Exclude<keyof T, K>]?: never };
}[keyof T];

type HttpApp = AppPlugin | FastifyApp | MiddlewareApp | FetchApp;

/** Exactly one of the three ways to answer requests, or a promise of it. */
export type AppEntry = OneOf<{
  /** A Fastify plugin or instance, an Express, Connect, Koa or Polka app, or an object with fetch(). */
  http: HttpApp | Promise<HttpApp>;
  /** A node request listener. */
  handler: http.RequestListener | Promise<http.RequestListener>;
  /** From Request to Response. */
  fetch: FetchHandler | Promise<FetchHandler>;
}>;

export interface AppJobs {
  /** Jobs that run at given times, or when trigger() asks for it: docs/cron.md. */
  readonly cron?: JobDefinitions;
}

export type AppDefinition = AppEntry & AppHooks & AppJobs;

/** What defineApp() returns: the default export of an app module. */
export type DefinedApp = AppDefinition & { readonly [BRAND]: true };

/** The keys of AppEntry. */
export const ENTRIES = ['http', 'handler', 'fetch'] as const;
const HOOKS = ['onStart', 'onStop', 'health', 'stats'] as const;
const KNOWN: readonly string[] = [...ENTRIES, ...HOOKS, 'cron'];

/**
 * Declares an app with its hooks, typed.
 *
 * @throws TypeError where the definition has not exactly one of http, handler and fetch, has an unknown key, or a hook
 *   is no function: for those who write JavaScript.
 */
export function defineApp(definition: AppDefinition): DefinedApp {
  const entries = ENTRIES.filter((key) => definition[key] !== undefined);
  if (entries.length !== 1) {
    const seen = entries.length === 0 ? 'none' : entries.join(' and ');
    throw new TypeError(`defineApp() takes exactly one of http, handler and fetch, but got ${seen}`);
  }
  const isPlain = [Object.prototype, null].includes(Object.getPrototypeOf(definition));
  // An object of a class has fields of its own.
  const unknown = isPlain ? Object.keys(definition).filter((key) => !KNOWN.includes(key)) : [];
  if (unknown.length > 0) throw new TypeError(`defineApp() knows ${KNOWN.join(', ')}, but not ${unknown.join(', ')}`);
  requireFunctions(definition, HOOKS);
  // A promised one is looked at when it is there.
  if (![definition.handler, definition.fetch].some(types.isPromise)) requireFunctions(definition, ['handler', 'fetch']);
  return Object.freeze({ ...(isPlain ? definition : membersOf(definition)), [BRAND]: true as const });
}

/** The methods of a class are no properties of its objects, and need them. */
function membersOf(definition: AppDefinition): AppDefinition {
  const members = KNOWN.map((key): [string, unknown] => [key, definition[key as keyof AppDefinition]])
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [key, typeof value === 'function' && key !== 'http' ? value.bind(definition) : value]);
  return Object.fromEntries(members) as AppDefinition;
}

function requireFunctions(definition: AppDefinition, keys: readonly (keyof AppDefinition)[]): void {
  for (const key of keys) {
    const seen = typeof definition[key];
    if (seen !== 'undefined' && seen !== 'function')
      throw new TypeError(`defineApp({ ${key} }) must be a function, not ${seen}`);
  }
}
