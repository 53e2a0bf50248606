import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import t from 'tap';
import WebSocket from 'ws';
import { mountApp } from '../../../src/app/mount.ts';
import { TricornError } from '../../../src/errors.ts';
import { contextFor, fixture, raw, serve, type Setup } from './mounting.ts';

const json = async (url: string, init?: RequestInit): Promise<Record<string, unknown>> =>
  (await (await fetch(url, init)).json()) as Record<string, unknown>;

/** Mounts, starts and closes an app that should not get that far; gives its error. */
async function failure(name: string, setup: Setup = {}): Promise<TricornError> {
  const { context } = contextFor(fixture(name), setup);
  try {
    const app = await mountApp(context);
    await app.start();
    await app.stop(1000);
  } catch (error) {
    if (error instanceof TricornError) return error;
    throw error;
  }
  throw new Error(`${name} was mounted`);
}

const ANSWERS = {
  'express5.ts': { form: 'express' },
  'connect.cjs': { form: 'connect' },
  'koa.ts': { form: 'koa' },
  'koa-callback.ts': { form: 'koa callback' },
  'polka.cjs': { form: 'polka' },
  'hono.ts': { form: 'hono' },
  'h3.ts': { form: 'h3' },
  'handler.mjs': { form: 'handler' },
  'named-listener.mjs': { form: 'named listener' },
  'async-build.ts': { form: 'async build' },
  'define-app.ts': { form: 'defineApp' },
  'fastify-instance.ts': { form: 'fastify instance' },
  'fastify-full.ts': { greeting: 'hello' },
  'fastify-cli-cjs/app.js': { root: true },
  'fastify-cli-esm/app.js': { root: true },
  '/examples/hello/app.ts': { hello: 'world' },
  '/examples/express/app.ts': { hello: 'express' },
  '/examples/koa/app.ts': { hello: 'koa' },
  '/examples/hono/app.ts': { hello: 'hono' },
  '/examples/define-app/app.ts': { hello: 'node:http' },
};

for (const [name, answer] of Object.entries(ANSWERS)) {
  t.test(`${name} is served`, async (t) => {
    const served = await serve(fixture(name));
    t.match(await json(served.url), answer);
    await served.end();
  });
}

t.test('Fastify: encapsulation, schemas, errors and streams work as under its own listen()', async (t) => {
  const served = await serve(fixture('fastify-full.ts'), { options: { greeting: 'hi' } });
  t.match(await json(served.url), { greeting: 'hi', secret: false });
  const inner = await fetch(`${served.url}/inner`);
  t.equal(inner.headers.get('x-inner'), 'yes');
  t.match(await inner.json(), { secret: true });
  const post = (body: object): Promise<Response> =>
    fetch(`${served.url}/sum`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  t.strictSame(await (await post({ a: 1, b: 2 })).json(), { sum: 3 });
  t.equal((await post({ a: 1 })).status, 400);
  const events = await (await fetch(`${served.url}/events?count=2&ms=1`)).text();
  t.equal(events.match(/^id: /gm)?.length, 2);
  const form = new FormData();
  form.append('file', new Blob([Buffer.alloc(300_000, 'x')]), 'x.bin');
  t.match(await json(`${served.url}/upload`, { method: 'POST', body: form }), {
    files: [{ name: 'x.bin', size: 300_000 }],
  });
  await served.end();
});

t.test('Fastify: websockets', async (t) => {
  const served = await serve(fixture('fastify-full.ts'));
  const socket = new WebSocket(`${served.url.replace('http', 'ws')}/ws`);
  await once(socket, 'open');
  socket.send('hello');
  const [message] = (await once(socket, 'message')) as [Buffer];
  t.equal(message.toString(), 'echo: hello');
  socket.close();
  await once(socket, 'close');
  await served.end();
});

t.test(
  'Fastify logs to the worker’s log: no line per request, but errors, and request.log with its reqId',
  async (t) => {
    const served = await serve(fixture('fastify-full.ts'));
    const { id } = await json(`${served.url}/log`);
    t.equal((await fetch(`${served.url}/fail`)).status, 500);
    t.equal((await fetch(`${served.url}/nowhere`)).status, 404);
    t.match(served.lines, [
      { level: 30, reqId: id, seen: 'in the log', msg: 'the app says hello' },
      { level: 50, reqId: String, err: { stack: /failed on purpose/ }, msg: 'failed on purpose' },
    ]);
    t.equal(served.lines.length, 2, 'also none that says "Server listening at"');
    await served.end();
  },
);

t.test('Fastify runs onListen once and onClose once, and shows the service’s address', async (t) => {
  const app = t.testdir({
    'app.mjs': `export const seen = [];
      export default async function app(fastify) {
        for (const hook of ['onReady', 'onListen', 'preClose']) fastify.addHook(hook, async () => void seen.push(hook));
        fastify.addHook('onClose', async () => void seen.push('onClose'));
        fastify.get('/', async () => ({ origin: fastify.listeningOrigin }));
      }`,
  });
  const served = await serve(`${app}/app.mjs`);
  t.strictSame(await json(served.url), { origin: 'http://127.0.0.1:8069' });
  const { seen } = (await import(`${app}/app.mjs`)) as { seen: string[] };
  await Promise.all([served.app.stop(1000), served.app.stop(1000)]);
  await served.end();
  t.strictSame(seen, ['onReady', 'onListen', 'preClose', 'onClose']);
});

t.test(
  'the options export goes to the server and to the plugin, [app] over it, explicit settings over all',
  async (t) => {
    const app = t.testdir({
      'app.mjs': `export const options = { bodyLimit: 10, keepAliveTimeout: 5000, requestTimeout: 7000, a: 1, prefix: '/x' };
      export default async function app(fastify, opts) {
        fastify.get('/', async () => ({ opts, limit: fastify.initialConfig.bodyLimit }));
      }`,
    });
    const served = await serve(`${app}/app.mjs`, { options: { a: 2 }, explicit: ['request_timeout'] });
    t.match(await json(`${served.url}/x`), { opts: { a: 2, bodyLimit: 10 }, limit: 10 });
    t.match(served.app.server, { keepAliveTimeout: 5000, requestTimeout: 300_000, headersTimeout: 60_000 });
    await served.end();
    const limited = await serve(`${app}/app.mjs`, { config: { body_limit: 99 }, explicit: ['body_limit'] });
    t.match(await json(`${limited.url}/x`), { limit: 99 });
    await limited.end();
  },
);

t.test('skipOverride takes the plugin’s decorators to the root, as in fastify-cli', async (t) => {
  const app = t.testdir({
    'app.mjs': `export default async function app(fastify) {
        fastify.decorate('root', true);
        fastify.get('/', async () => ({ ok: fastify.pluginName }));
      }`,
  });
  const served = await serve(`${app}/app.mjs`, { options: { skipOverride: true } });
  t.match(await json(served.url), { ok: /^fastify/ });
  await served.end();
});

t.test('an app’s own logger takes the place of the worker’s', async (t) => {
  const app = t.testdir({
    'app.mjs': `export const lines = [];
      export const options = { logger: { stream: { write: (line) => lines.push(line) } } };
      export default async function app(fastify) { fastify.get('/', async (r) => (r.log.info('mine'), {})); }`,
  });
  const served = await serve(`${app}/app.mjs`);
  await json(served.url);
  const { lines } = (await import(`${app}/app.mjs`)) as { lines: string[] };
  t.match(lines, [/"msg":"mine"/]);
  t.strictSame(served.lines, []);
  await served.end();
});

t.test('timeouts hold for every form, under Fastify too', async (t) => {
  for (const name of ['handler.mjs', 'hono.ts', 'fastify-full.ts', 'fastify-instance.ts']) {
    const served = await serve(fixture(name));
    const { keepAliveTimeout, headersTimeout, requestTimeout } = served.app.server;
    t.strictSame([keepAliveTimeout, headersTimeout, requestTimeout], [72_000, 60_000, 300_000], name);
    await served.end();
  }
  const config = { headers_timeout: 0.2, request_timeout: 0.4 };
  for (const name of ['handler.mjs', 'fastify-full.ts']) {
    const served = await serve(fixture(name), { config });
    t.match(await raw(served.port, 'GET / HTTP/1.1\r\n'), /^HTTP\/1.1 408 /, `${name}: slow headers`);
    const path = name === 'handler.mjs' ? '/raw' : '/echo';
    const slow = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nabc`;
    t.match(await raw(served.port, slow), /^HTTP\/1.1 408 /, `${name}: slow body`);
    await served.end();
  }
});

t.test('a stream that hono sends arrives in pieces', async (t) => {
  const served = await serve(fixture('hono.ts'));
  t.equal(await (await fetch(`${served.url}/stream`)).text(), 'one\ntwo\nthree\n');
  t.match(await (await fetch(`${served.url}/events`)).text(), /id: 3/);
  t.equal((await fetch(`${served.url}/fail`)).status, 500);
  await served.end();
});

t.test('body_limit holds for the forms that are not Fastify, and 0 lifts it', async (t) => {
  const chunked = (size: number): string =>
    `POST /raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
    `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`;
  for (const name of ['handler.mjs', 'express5.ts', 'koa.ts', 'hono.ts', 'h3.ts']) {
    const served = await serve(fixture(name), { config: { body_limit: 1000 } });
    const post = (size: number): Promise<Response> =>
      fetch(`${served.url}/raw`, { method: 'POST', body: 'x'.repeat(size) });
    t.match(await (await post(1000)).json(), { size: 1000 }, name);
    const refused = await post(1001);
    t.equal(refused.status, 413, `${name}: declared`);
    t.equal(refused.headers.get('connection'), 'close');
    t.match(await raw(served.port, chunked(1000)), /^HTTP\/1.1 200 [^]*1000/, `${name}: chunked within the limit`);
    t.match(await raw(served.port, chunked(1001)), /^HTTP\/1.1 413 /, `${name}: chunked`);
    t.match(await json(served.url), { form: String }, 'serves on');
    await served.end();
  }
  const unlimited = await serve(fixture('handler.mjs'), { config: { body_limit: 0 } });
  t.match(await raw(unlimited.port, chunked(2_000_000)), /2000000/);
  await unlimited.end();
});

t.test('body_limit is Fastify’s bodyLimit, and 0 lifts it', async (t) => {
  const post = (url: string, size: number): Promise<Response> =>
    fetch(`${url}/echo`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(size) });
  const served = await serve(fixture('fastify-full.ts'), { config: { body_limit: 1000 } });
  t.equal((await post(served.url, 1000)).status, 200);
  t.equal((await post(served.url, 1001)).status, 413);
  await served.end();
  const unlimited = await serve(fixture('fastify-full.ts'), { config: { body_limit: 0 } });
  t.equal((await post(unlimited.url, 3_000_000)).status, 200);
  await unlimited.end();
});

// Before the next: apps are loaded once per process, and proxy_mode tells Express and Koa to believe.
t.test('without proxy_mode nothing is believed and nothing is touched', async (t) => {
  const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' };
  for (const name of ['fastify-full.ts', 'express5.ts', 'koa.ts']) {
    const served = await serve(fixture(name));
    t.match(await json(served.url, { headers }), { ip: /127\.0\.0\.1$/, protocol: 'http' }, name);
    await served.end();
  }
  const served = await serve(fixture('handler.mjs'));
  t.match(await json(served.url, { headers }), { ip: '203.0.113.9' });
  await served.end();
});

t.test('proxy_mode tells every form the client’s address and scheme, in its own words', async (t) => {
  const headers = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'a.example',
  };
  const config = { proxy_mode: true };
  for (const name of ['fastify-full.ts', 'express5.ts', 'koa.ts', 'handler.mjs']) {
    const served = await serve(fixture(name), { config });
    t.match(await json(served.url, { headers }), { ip: '203.0.113.9', protocol: 'https' }, name);
    await served.end();
    const distrusting = await serve(fixture(name), { config: { ...config, proxy_trust: ['10.0.0.0/8'] } });
    const { ip = '127.0.0.1', protocol = 'http' } = await json(distrusting.url, { headers });
    t.strictSame([ip, protocol], ['127.0.0.1', 'http'], `${name}: from whom nobody trusts`);
    await distrusting.end();
  }
  for (const name of ['hono.ts', 'h3.ts']) {
    const served = await serve(fixture(name), { config });
    t.match(await json(`${served.url}/?q`, { headers }), { url: 'https://a.example/?q' }, name);
    await served.end();
  }
});

t.test('hooks run once, in order, and know their worker; stats and health answer', async (t) => {
  const journal = `${t.testdir()}/journal`;
  const served = await serve(fixture('define-app.ts'), { options: { journal } });
  await json(served.url);
  t.match(await served.app.stats(), { requests: Number });
  t.strictSame(await served.app.health(), { ok: true });
  await Promise.all([served.app.stop(1000), served.app.stop(1000)]);
  await served.end();
  const lines = readFileSync(journal, 'utf8');
  t.equal(lines, `onStart http 2 1 ${process.pid}\nonStop http 2 1 ${process.pid}\n`);
});

t.test('onStop does not run where onStart did not', async (t) => {
  const journal = `${t.testdir({ journal: '' })}/journal`;
  const app = await mountApp(contextFor(fixture('define-app.ts'), { options: { journal } }).context);
  await app.stop(1000);
  t.equal(readFileSync(journal, 'utf8'), '');
});

t.test('stop gives a hook no more than its time, and says which', async (t) => {
  const { context } = contextFor(fixture('define-app.ts'), { options: { hang: 'onStop' } });
  const app = await mountApp(context);
  await app.start();
  await t.rejects(app.stop(50), { message: 'onStop was not done within 0.05 s' });
});

t.test('apps without hooks: no stats, and healthy', async (t) => {
  const served = await serve(fixture('handler.mjs'));
  t.equal(await served.app.stats(), undefined);
  t.equal(await served.app.health(), true);
  await served.end();
});

t.test('what fails to load or boot is told with the app’s own error', async (t) => {
  t.match(await failure('throws-on-import.ts'), {
    code: 'TRC_APP_LOAD',
    exitCode: 3,
    cause: { message: 'no database here', stack: /throws-on-import\.ts:4/ },
  });
  t.match(await failure('rejects-in-plugin.ts'), {
    code: 'TRC_APP_BOOT',
    cause: { message: 'the plugin failed', stack: /rejects-in-plugin\.ts:3/ },
  });
  t.match(await failure('/no/such/file.ts'), { code: 'TRC_APP_LOAD', cause: { code: 'ERR_MODULE_NOT_FOUND' } });
  t.match(await failure('exports-nothing.ts'), { code: 'TRC_APP_FORM', message: /exports no default, only port/ });
  t.match(await failure('exports-string.ts'), { code: 'TRC_APP_FORM', message: /exports a string \(app\)/ });
  t.match(await failure('class.ts'), { code: 'TRC_APP_FORM', message: /the class Service/ });
});

t.test('a plugin that never ends is told by Fastify, before the boot’s own limit', async (t) => {
  t.match(await failure('never-ready.ts', { config: { boot_timeout: 0.3 } }), {
    code: 'TRC_BOOT_TIMEOUT',
    cause: { message: /Plugin did not start in time: 'app'/ },
  });
});

t.test('a listener that was taken for a plugin is told how to export it', async (t) => {
  t.match(await failure('unnamed-listener.mjs'), {
    code: 'TRC_APP_BOOT',
    hint: /export const handler/,
    cause: { message: /b\.end is not a function/ },
  });
});

t.test('an app that listens itself is refused', async (t) => {
  // Refused or not, those servers are there: the app must be stopped for this process to end.
  const listening = new Set<net.Server>();
  const remember = (message: unknown): void => void listening.add((message as { server: net.Server }).server);
  diagnostics.subscribe('tracing:net.server.listen:asyncStart', remember);
  t.equal((await failure('listens-itself.ts')).code, 'TRC_APP_LISTENS');
  t.equal((await failure('listens-instance.ts')).code, 'TRC_APP_LISTENS');
  diagnostics.unsubscribe('tracing:net.server.listen:asyncStart', remember);
  t.equal(listening.size, 2);
  for (const server of listening) server.close();
});

t.test('a server beside the app that is no HTTP server may listen', async (t) => {
  const app = t.testdir({
    'app.mjs': `import net from 'node:net';
      export const side = net.createServer().listen(0);
      export const handler = (req, res) => res.end('{}');`,
  });
  const served = await serve(`${app}/app.mjs`);
  t.match(await json(served.url), {});
  const { side } = (await import(`${app}/app.mjs`)) as { side: net.Server };
  side.close();
  await served.end();
});

t.test('the server is an http.Server that does not listen', async (t) => {
  const served = await serve(fixture('handler.mjs'));
  t.ok(served.app.server instanceof http.Server);
  t.equal(served.app.server.listening, false);
  await served.end();
});
