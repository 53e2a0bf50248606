import http from 'node:http';
import { pathToFileURL } from 'node:url';
import fastify from 'fastify';
import fp from 'fastify-plugin';
import express from 'express';
import Koa from 'koa';
import t from 'tap';
import { defineApp } from '../../../src/app/define-app.ts';
import { awaited, isMadeApp, type Namespace, recognise } from '../../../src/app/recognise.ts';
import { fixture } from './mounting.ts';

const load = async (name: string): Promise<Namespace> => (await import(pathToFileURL(fixture(name)).href)) as Namespace;

const formOf = (namespace: Namespace): string => {
  const seen = recognise(namespace);
  return 'form' in seen ? seen.form : `refused: ${seen.refused}`;
};

const FORMS = {
  'fastify-full.ts': 'fastify plugin',
  'fastify-cli-cjs/app.js': 'fastify plugin',
  'fastify-cli-esm/app.js': 'fastify plugin',
  'fastify-instance.ts': 'fastify instance',
  'express5.ts': 'express',
  'connect.cjs': 'connect',
  'koa.ts': 'koa',
  'koa-callback.ts': 'handler',
  'polka.cjs': 'polka',
  'hono.ts': 'fetch',
  'h3.ts': 'fetch',
  'handler.mjs': 'handler',
  'named-listener.mjs': 'handler',
  'define-app.ts': 'handler',
};

for (const [name, form] of Object.entries(FORMS)) {
  t.test(`${name} is taken for: ${form}`, async (t) => t.equal(formOf(await load(name)), form));
}

t.test('refuses by name', async (t) => {
  t.equal(formOf(await load('exports-nothing.ts')), 'refused: no default, only port');
  t.equal(formOf(await load('exports-string.ts')), 'refused: a string (app)');
  t.equal(formOf(await load('class.ts')), 'refused: the class Service, not an instance of it');
  t.equal(formOf({}), 'refused: nothing');
  t.equal(formOf({ default: null }), 'refused: null');
  t.equal(formOf({ default: {} }), 'refused: an empty object');
  t.equal(formOf({ default: { a: 1, b: 2 } }), 'refused: an object with a, b');
  t.equal(formOf({ default: 42 }), 'refused: a number (42)');
  t.equal(formOf({ default: Symbol('x') }), 'refused: a symbol (Symbol(x))');
  t.equal(formOf({ default: http.createServer() }), 'refused: a server (Server), not the app that it serves');
  t.equal(formOf({ default: Koa }), 'refused: the class Application, not an instance of it');
  t.match(formOf({ default: express.Router() }), /refused: a Router, which must be mounted/);
  t.equal(formOf({ handler: 1 }), 'refused: a handler that is a number (1)');
  t.equal(formOf({ default: defineApp({ http: 'x' as never }) }), 'refused: defineApp({ http }) with a string (x)');
});

t.test('refuses what listens already, as that', async (t) => {
  const app = fastify();
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.match(recognise({ default: app }), { code: 'TRC_APP_LISTENS' });
  t.match(recognise({ default: app.server }), { code: 'TRC_APP_LISTENS' });
  await app.close();
});

t.test('a function is a plugin unless its first two parameters are called request and response', async (t) => {
  const listeners = [
    (req: unknown, res: unknown) => [req, res],
    async (_req: unknown, _res: unknown) => undefined,
    function named(request: unknown, response: unknown) {
      return [request, response];
    },
    {
      method(req: unknown, res: unknown, next: unknown) {
        return [req, res, next];
      },
    }.method,
    (req: unknown /* the request */, res: unknown = null) => [req, res],
  ];
  for (const listener of listeners) t.equal(formOf({ default: listener }), 'handler', String(listener));
  const plugins = [
    async (app: unknown) => app,
    (app: unknown, opts: unknown, done: unknown) => [app, opts, done],
    (request: unknown, reply: unknown) => [request, reply],
    (a: unknown, b: unknown) => [a, b],
    (): void => undefined,
  ];
  for (const plugin of plugins) t.equal(formOf({ default: plugin }), 'fastify plugin', String(plugin));
});

t.test('knows a plugin by its mark from one that is guessed', async (t) => {
  t.match(recognise({ default: fp(async () => undefined) }), { form: 'fastify plugin', guessed: false });
  t.match(recognise({ default: async () => undefined }), { form: 'fastify plugin', guessed: true });
});

t.test('takes what CommonJS and compilers export as it was meant', async (t) => {
  const plugin = Object.assign(async () => undefined, { options: { a: 1 } });
  const cjs = (exported: object): Namespace => ({ default: exported, 'module.exports': exported });
  t.match(recognise(cjs(plugin)), { value: plugin, options: { a: 1 } });
  t.match(recognise(cjs({ __esModule: true, default: plugin, options: { b: 2 } })), {
    value: plugin,
    options: { b: 2 },
  });
  t.match(recognise({ default: { __esModule: true, default: plugin } }), { value: plugin });
  t.match(recognise(cjs({ default: plugin, options: { c: 3 } })), { value: plugin, options: { c: 3 } });
  t.match(recognise(cjs({ handler: (): void => undefined })), { form: 'handler' });
  t.match(recognise(cjs({ fetch: () => new Response() })), { form: 'fetch' });
  t.match(recognise(cjs(defineApp({ handler: (): void => undefined }))), { form: 'handler' });
});

t.test('awaits an app that is promised, wherever it is exported', async (t) => {
  const app = express();
  const handler = (): void => undefined;
  const seen = async (namespace: Namespace): Promise<string> => formOf(await awaited(namespace));
  const cjs = (exported: object): Namespace => ({ default: exported, 'module.exports': exported });
  t.equal(await seen({ default: Promise.resolve(app) }), 'express');
  t.equal(await seen({ handler: Promise.resolve(handler) }), 'handler');
  t.equal(await seen({ default: defineApp({ http: Promise.resolve(app) }) }), 'express');
  t.equal(await seen({ default: defineApp({ handler: Promise.resolve(handler) }) }), 'handler');
  t.equal(await seen({ default: defineApp({ fetch: Promise.resolve(() => new Response()) }) }), 'fetch');
  const wrong = defineApp({ handler: Promise.resolve(7 as unknown as () => void) });
  t.equal(await seen({ default: wrong }), 'refused: defineApp({ handler }) with a number (7)');
  t.equal(await seen(cjs(Promise.resolve(app))), 'express');
  t.equal(await seen(cjs({ default: Promise.resolve(app) })), 'express', 'by a compiler');
  t.equal(await seen(cjs({ handler: Promise.resolve(handler) })), 'handler');
  t.equal(await seen(cjs(Promise.resolve(defineApp({ http: app })))), 'express');
  t.equal(await seen({ default: Promise.resolve({}) }), 'refused: an empty object');
  t.equal(await seen({ port: 1 }), 'refused: no default, only port');
  await t.rejects(awaited({ default: Promise.reject(new Error('no database')) }), /no database/);
  const options = { bodyLimit: 7 };
  t.match(recognise(await awaited(cjs({ default: Promise.resolve(handler), options }))), { options });
  t.match(await awaited({ default: fastify() }), {}, 'an instance of Fastify, which has a then(), is not');
});

t.test('tells an app, made, from what a plugin may return', async (t) => {
  const made = Object.entries(FORMS).filter(([name, form]) => form !== 'fastify plugin' && name !== 'handler.mjs');
  for (const [name] of made) t.ok(isMadeApp((await load(name))['default']), name);
  const handler = (): void => undefined;
  for (const app of [http.createServer(), defineApp({ handler })]) t.ok(isMadeApp(app));
  const others = [undefined, null, 'text', 7, {}, [], new Map(), handler, URL];
  for (const other of others) t.notOk(isMadeApp(other));
});

t.test('takes an ES module’s options, and no function for options', async (t) => {
  const plugin = async (): Promise<void> => undefined;
  t.match(recognise({ default: plugin, options: { bodyLimit: 7 } }), { options: { bodyLimit: 7 } });
  t.strictSame((recognise({ default: plugin, options: plugin }) as { options: unknown }).options, {});
  t.strictSame((recognise({ default: express() }) as { options: unknown }).options, {});
});

t.test('takes the hooks of defineApp, and looks through its http', async (t) => {
  const onStart = (): void => undefined;
  t.match(recognise({ default: defineApp({ http: express(), onStart }) }), { form: 'express', hooks: { onStart } });
  t.match(recognise({ default: defineApp({ http: new Koa() }) }), { form: 'koa' });
  t.match(recognise({ default: defineApp({ http: fastify() }) }), { form: 'fastify instance' });
  t.match(recognise({ default: defineApp({ fetch: () => new Response() }) }), { form: 'fetch' });
});

t.test('carries the jobs, of defineApp() or of the export cron, unchecked', async (t) => {
  const handler = (): void => undefined;
  const jobs = { job: { schedule: '@daily', run: handler } };
  t.match(recognise({ default: defineApp({ handler, cron: jobs }) }), { form: 'handler', cron: jobs });
  t.match(recognise({ handler, cron: jobs }), { form: 'handler', cron: jobs });
  t.match(recognise({ default: express(), cron: 'x' }), { form: 'express', cron: 'x' });
  t.match(recognise({ default: { handler, cron: jobs }, 'module.exports': {} }), { form: 'handler', cron: jobs });
  t.equal((recognise({ handler }) as { cron: unknown }).cron, undefined);
});
