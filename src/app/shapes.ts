/** What the apps of each framework look like, told by their public members alone: no framework is imported for it. */
import type http from 'node:http';
import net from 'node:net';
import type { FastifyInstance } from 'fastify';

/** What can have members: an object or a function. */
export type Members = Readonly<Record<PropertyKey, unknown>>;

/** Express, as far as Tricorn uses it. */
export interface ExpressApp extends http.RequestListener {
  set(setting: string, value: unknown): unknown;
  get(setting: string): unknown;
}

/** Koa, as far as Tricorn uses it. */
export interface KoaApp {
  proxy?: boolean;
  callback(): http.RequestListener;
}

/** Polka, as far as Tricorn uses it. */
export interface PolkaApp {
  readonly handler: http.RequestListener;
}

export interface FetchObject {
  fetch(request: Request, ...rest: unknown[]): Response | Promise<Response>;
}

export function hasMembers(value: unknown): value is Members {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function hasMethods(value: Members, ...names: readonly string[]): boolean {
  return names.every((name) => typeof value[name] === 'function');
}

export function isFastifyInstance(value: Members): value is Members & FastifyInstance {
  return hasMethods(value, 'register', 'ready', 'inject', 'addHook') && value['server'] instanceof net.Server;
}

export function isExpress(value: unknown): value is ExpressApp {
  return typeof value === 'function' && hasMethods(value as unknown as Members, 'handle', 'set', 'engine', 'use');
}

/** An Express Router looks like an app, but without someone to call next() an unknown path throws. */
export function isRouter(value: unknown): boolean {
  return typeof value === 'function' && hasMethods(value as unknown as Members, 'handle', 'use', 'param', 'route');
}

export function isConnect(value: unknown): value is http.RequestListener {
  if (typeof value !== 'function' || !hasMethods(value as unknown as Members, 'handle', 'use')) return false;
  return 'stack' in value && Array.isArray(value.stack) && 'route' in value && typeof value.route === 'string';
}

export function isKoa(value: Members): value is Members & KoaApp {
  return hasMethods(value, 'callback', 'use') && Array.isArray(value['middleware']);
}

export function isPolka(value: Members): value is Members & PolkaApp {
  return hasMethods(value, 'handler', 'use', 'listen');
}

export function isFetchObject(value: Members): value is Members & FetchObject {
  return hasMethods(value, 'fetch');
}

export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

/** What fastify-plugin marks its functions with, as Fastify's reference documents it. */
export function isMarkedPlugin(value: object): boolean {
  return Symbol.for('skip-override') in value || Symbol.for('plugin-meta') in value;
}

const FIRST = /^_*(req|request|incoming|incomingmessage)$/i;
const SECOND = /^_*(res|response|outgoing|serverresponse)$/i;

/**
 * True for a function whose first parameters are literally called request and response. No Fastify plugin names its
 * instance and options so; what names them otherwise is taken for a plugin.
 */
export function isNamedListener(value: unknown): value is http.RequestListener {
  if (typeof value !== 'function') return false;
  const [first = '', second = ''] = parameterNames(value);
  return FIRST.test(first) && SECOND.test(second);
}

/** Whether a function cannot see what it is called with, as far as its source tells; of a bound one it does not. */
export function takesNothing(fn: object): boolean {
  const source = sourceOf(fn);
  return (
    /^(?:async\b\s*)?(?:function\b\s*\*?\s*)?[\w$]*\s*\(\s*\)/.test(source) &&
    !/\barguments\b|\[native code\]/.test(source)
  );
}

/** Without comments. */
function sourceOf(fn: object): string {
  return Function.prototype.toString.call(fn).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

/** The names of a function's simple parameters, as far as its source tells. */
function parameterNames(fn: object): readonly string[] {
  const list = /^(?:async\b\s*)?(?:function\b\s*\*?\s*)?[\w$]*\s*\(([^)]*)\)/.exec(sourceOf(fn))?.[1] ?? '';
  return list.split(',').map((parameter) => (parameter.split('=')[0] ?? '').trim());
}
