/** Fastify plugins, mounted: nothing is other than under Fastify's own listen(). */
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import WebSocket from 'ws';
import { fixture, json, serve } from './mounting.ts';

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

/** Apps whose function is a plugin, or makes something that is no app, and what is said of them: nothing, that, or no boot. */
const returning = {
  'a route, and returns a server beside it': [`f.get('/', async () => 'ok'); return createServer();`, undefined],
  'a route in a plugin of its own': [
    `f.register(async (inner) => inner.get('/', async () => 'ok')); return { fetch() {} };`,
    undefined,
  ],
  'no route, and returns the instance': ['return f;', /has no route: it answers 404/],
  'no route': ['', /has no route: it answers 404/],
  'no route, and returns an object that holds an app': ['return { app: createServer() };', /has no route/],
  'no route, and returns a server': ['return createServer();', 'TRC_APP_FORM'],
} as const;

for (const [what, [body, said]] of Object.entries(returning)) {
  t.test(`Fastify: a plugin with ${what}`, async (t) => {
    for (const kind of ['async', '']) {
      const source = `import { createServer } from 'node:http'; export default ${kind} function app(f, o) { ${body} }`;
      const app = join(t.testdir({ 'app.mjs': source }), 'app.mjs');
      if (said === 'TRC_APP_FORM') {
        await t.rejects(serve(app, { worker: 1 }), { code: said });
        continue;
      }
      const served = await serve(app, { worker: 1 });
      t.match(
        served.lines.map(({ msg }) => msg),
        said ? [said] : [],
      );
      t.equal(served.lines.length, said ? 1 : 0);
      await served.end();
      const other = await serve(app);
      t.same(other.lines, [], 'another worker does not repeat it');
      await other.end();
    }
  });
}
