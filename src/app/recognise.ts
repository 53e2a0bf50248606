import type http from 'node:http';
import net from 'node:net';
import { types } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { cut } from '../config/show.ts';
import { BRAND, ENTRIES, type AppHooks, type AppPlugin, type DefinedApp } from './define-app.ts';
import {
  type ExpressApp,
  hasMembers,
  isClass,
  isConnect,
  isExpress,
  isFastifyInstance,
  isFetchObject,
  isKoa,
  isMarkedPlugin,
  isNamedListener,
  isPolka,
  isRouter,
  type KoaApp,
  type Members,
} from './shapes.ts';

type Options = Readonly<Record<string, unknown>>;

/** What @hono/node-server gives as second argument; Hono shows it as `c.env`. */
export interface FetchEnvironment {
  readonly incoming: http.IncomingMessage;
  readonly outgoing: http.ServerResponse;
}

export type FetchFunction = (request: Request, env: FetchEnvironment) => Response | Promise<Response>;

/** The forms of app that Tricorn serves, with what it needs of each. */
type Form =
  | {
      readonly form: 'fastify plugin';
      readonly value: AppPlugin;
      /** Nothing but its being a function says that it is a plugin: it may be a listener with unusual parameter names. */
      readonly guessed: boolean;
    }
  | { readonly form: 'fastify instance'; readonly value: FastifyInstance }
  | { readonly form: 'express'; readonly value: ExpressApp }
  | { readonly form: 'koa'; readonly value: KoaApp }
  | { readonly form: 'connect' | 'polka' | 'handler'; readonly value: http.RequestListener }
  | { readonly form: 'fetch'; readonly value: FetchFunction };

export type Recognised = Form & {
  /** The module's `options` export: for the Fastify server and its plugin, as `fastify start --options` takes it. */
  readonly options: Options;
  readonly hooks: AppHooks;
  /** The jobs as they were written, of defineApp() or of the module's export `cron`; undefined where there are none. */
  readonly cron: unknown;
};

export interface Refusal {
  /** What was seen, in words that go after "exports". */
  readonly refused: string;
  readonly code: 'TRC_APP_FORM' | 'TRC_APP_LISTENS';
}

/** A module's namespace, as `await import()` gives it. */
export type Namespace = Readonly<Record<string, unknown>>;

/**
 * The same exports where an app is promised, as by `export default build()` with an async build, also in what compilers make of
 * it, as `handler`, and in defineApp(). Only real promises: a Fastify instance has a then() as well.
 */
export async function awaited(namespace: Namespace): Promise<Namespace> {
  const outer: Namespace = { ...namespace, default: await promised(namespace['default']) };
  const { main, handler, options, cron } = unwrap(outer);
  const isDefined = hasMembers(main) && main[BRAND] === true;
  if (![main, handler, ...(isDefined ? ENTRIES.map((entry) => main[entry]) : [])].some(types.isPromise)) return outer;
  const app = isDefined ? await withEntryOf(main) : await promised(main);
  const { 'module.exports': _, ...names } = outer;
  return { ...names, default: app, handler: await promised(handler), options, cron };
}

async function withEntryOf(defined: Members): Promise<Members> {
  const [entry] = ENTRIES.filter((name) => defined[name] !== undefined);
  return entry === undefined ? defined : { ...defined, [entry]: await promised(defined[entry]) };
}

async function promised(value: unknown): Promise<unknown> {
  return types.isPromise(value) ? await value : value;
}

/**
 * Tells what an app module exports. Pure: runs nothing of it, a promise must have been awaited before.
 *
 * `default` goes before `handler`. What CommonJS modules export, compiled ones included, is taken as it was meant.
 */
export function recognise(namespace: Namespace): Recognised | Refusal {
  const { main, handler, options, cron } = unwrap(namespace);
  const rest = { options: isOptions(options) ? options : {}, cron };
  if (main === undefined) {
    if (handler === undefined) return refuse(describeEmpty(namespace));
    if (typeof handler !== 'function') return refuse(`a handler that is ${describe(handler)}`);
    return { form: 'handler', value: handler as http.RequestListener, ...rest, hooks: {} };
  }
  const defined = hasMembers(main) && main[BRAND] === true ? (main as unknown as DefinedApp) : undefined;
  const form = defined === undefined ? formOf(main) : formOfDefined(defined);
  if ('refused' in form) return form;
  return { ...form, ...rest, hooks: defined ?? {}, cron: defined?.cron ?? cron };
}

function formOfDefined(app: DefinedApp): Form | Refusal {
  const { handler, fetch } = app;
  if (typeof handler === 'function') return { form: 'handler', value: handler };
  if (typeof fetch === 'function') return { form: 'fetch', value: fetch };
  if (handler !== undefined) return refuse(`defineApp({ handler }) with ${describe(handler)}`);
  if (fetch !== undefined) return refuse(`defineApp({ fetch }) with ${describe(fetch)}`);
  const form = formOf(app.http);
  if ('refused' in form) return { ...form, refused: `defineApp({ http }) with ${form.refused}` };
  // A listener would have been given as `handler`.
  return form.form === 'fastify plugin' ? { ...form, guessed: false } : form;
}

function formOf(value: unknown): Form | Refusal {
  if (!hasMembers(value)) return refuse(describe(value));
  if (isFastifyInstance(value)) {
    return value.server.listening ? listens('a Fastify instance') : { form: 'fastify instance', value };
  }
  if (value instanceof net.Server) return value.listening ? listens('a server') : refuse(describe(value));
  if (isExpress(value)) return { form: 'express', value };
  if (isConnect(value)) return { form: 'connect', value };
  if (isRouter(value)) return refuse('a Router, which must be mounted in an app with app.use()');
  if (isClass(value)) return refuse(describe(value));
  if (isKoa(value)) return { form: 'koa', value };
  if (isPolka(value)) return { form: 'polka', value: (req, res) => value.handler(req, res) };
  if (isFetchObject(value)) return { form: 'fetch', value: (request, env) => value.fetch(request, env) };
  if (isNamedListener(value)) return { form: 'handler', value };
  if (typeof value !== 'function') return refuse(describe(value));
  return { form: 'fastify plugin', value: value as unknown as AppPlugin, guessed: !isMarkedPlugin(value) };
}

/** Whether it is an app, or the server of one, without being called. A function may be anything: it is one only by its looks. */
export function isMadeApp(value: unknown): boolean {
  if (!hasMembers(value)) return false;
  if (value[BRAND] === true || value instanceof net.Server) return true;
  const form = formOf(value);
  return !('refused' in form) && form.form !== 'fastify plugin';
}

/** Finds the app and its options, in an ES module, in `module.exports` and in what compilers make of `export`. */
function unwrap(namespace: Namespace): { main: unknown; handler: unknown; options: unknown; cron: unknown } {
  const { default: main, handler, options, cron } = namespace;
  const exported = isCommonJs(namespace) && hasMembers(main) ? main : undefined;
  if (exported === undefined) return { main, handler, options, cron };
  // `exports.default = …`, with or without a compiler's __esModule, is how fastify-cli's CommonJS apps may export.
  const plain = typeof exported !== 'function' && !isApp(exported);
  return {
    main: plain ? exported['default'] : main,
    handler: handler ?? (plain ? exported['handler'] : undefined),
    options: options ?? exported['options'],
    cron: cron ?? exported['cron'],
  };
}

function isCommonJs(namespace: Namespace): boolean {
  // Node gives a CommonJS module's namespace this name. Older ones, and bundlers, leave only __esModule.
  return 'module.exports' in namespace || (hasMembers(namespace['default']) && '__esModule' in namespace['default']);
}

function isApp(value: Readonly<Record<PropertyKey, unknown>>): boolean {
  return value[BRAND] === true || !('default' in value || 'handler' in value) || !('refused' in formOf(value));
}

/** A Fastify instance has a method `options`, so has an Express app: only a plain object is what an app exports as such. */
function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null;
}

function refuse(seen: string): Refusal {
  return { refused: seen, code: 'TRC_APP_FORM' };
}

function listens(seen: string): Refusal {
  return { refused: seen, code: 'TRC_APP_LISTENS' };
}

function describeEmpty(namespace: Namespace): string {
  const names = Object.keys(namespace).filter((name) => name !== 'default' && name !== 'module.exports');
  return names.length === 0 ? 'nothing' : cut(`no default, only ${names.join(', ')}`);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (isClass(value))
    return `the class ${cut((value as { name: string }).name) || '(anonymous)'}, not an instance of it`;
  if (value instanceof net.Server) return `a server (${value.constructor.name}), not the app that it serves`;
  if (typeof value !== 'object') return `a ${typeof value} (${brief(value)})`;
  const keys = Object.keys(value);
  return keys.length === 0
    ? 'an empty object'
    : `an object with ${cut(keys.slice(0, 5).join(', '))}${keys.length > 5 ? ', …' : ''}`;
}

function brief(value: unknown): string {
  return (typeof value === 'symbol' ? value.toString() : `${value as string | number}`).slice(0, 40);
}
