/** Every form of app is served, named in the Ready line, and guarded by body_limit. */
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { get, getJson, post, RawConnection } from '../support/http.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

/** What the app calls itself in its answer; '' where it answers with something else. */
interface Served {
  readonly app: string;
  /** As the Ready line names it. */
  readonly form: string;
  readonly answer: Readonly<Record<string, unknown>>;
  /** A path that reads a body and tells its size, where the app has one. */
  readonly raw?: string;
}

const served: readonly Served[] = [
  { app: 'fastify-full.ts', form: 'fastify plugin', answer: { greeting: 'hello' }, raw: '/echo' },
  { app: 'fastify-instance.ts', form: 'fastify instance', answer: { form: 'fastify instance' } },
  { app: 'express5.ts', form: 'express', answer: { form: 'express' }, raw: '/raw' },
  { app: 'koa.ts', form: 'koa', answer: { form: 'koa' }, raw: '/raw' },
  { app: 'koa-callback.ts', form: 'handler', answer: { form: 'koa callback' } },
  { app: 'hono.ts', form: 'fetch', answer: { form: 'hono' }, raw: '/raw' },
  { app: 'h3.ts', form: 'fetch', answer: { form: 'h3' }, raw: '/raw' },
  { app: 'polka.cjs', form: 'polka', answer: { form: 'polka' }, raw: '/raw' },
  { app: 'connect.cjs', form: 'connect', answer: { form: 'connect' }, raw: '/raw' },
  { app: 'handler.mjs', form: 'handler', answer: { form: 'handler' }, raw: '/raw' },
  { app: 'rest-handler.mjs', form: 'handler', answer: { form: 'rest' } },
  { app: 'named-listener.mjs', form: 'handler', answer: { form: 'named listener' } },
  { app: 'async-build.ts', form: 'express', answer: { form: 'async build' } },
  { app: 'define-app.ts', form: 'handler', answer: { form: 'defineApp' } },
];

const LIMIT = 1024;
const fitting = jsonOf(LIMIT);
const tooLarge = jsonOf(LIMIT + 1);
const json = { 'content-type': 'application/json' };

/** A body of so many bytes: JSON, for the routes that take nothing else. */
function jsonOf(length: number): string {
  return JSON.stringify({ x: 'x'.repeat(length - '{"x":""}'.length) });
}

export function forms(mode: Mode): void {
  for (const { app, form, answer, raw } of served) {
    t.test(`${app} is served as ${form}`, async (t) => {
      const server = await startTricorn(t, fixture(app), [...modes[mode], `--body-limit=${LIMIT}`]);
      const { msg } = await server.line(/^Ready/);
      t.ok(msg.endsWith(`, ${form} on ${server.url}`), msg);
      t.match(await getJson(`${server.url}/`), answer);
      if (raw !== undefined) await refusesLargeBodies(t, server, raw);
    });
  }
  unnamed(mode);
  raised(mode);
  frameworks(mode);
}

/** Without parameters of its own a handler looks like a function that makes the app. */
function unnamed(mode: Mode): void {
  t.test('what a handler without named parameters returns is its own affair, unless it is an app', async (t) => {
    const server = await startTricorn(t, fixture('rest-handler.mjs'), modes[mode]);
    for (const [path, status, body] of [
      ['/later', 200, 'later'],
      ['/caught', 503, 'caught by the handler'],
      ['/', 200, '{"form":"rest"}'],
    ] as const) {
      t.match(await get(server.url + path), { status, body }, path);
    }
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.strictSame(
      server.lines.filter(({ level }) => level >= 40).map(({ msg }) => msg),
      [],
      'nothing is logged about it',
    );
  });
}

async function refusesLargeBodies(t: Test, server: Tricorn, path: string): Promise<void> {
  const url = server.url + path;
  t.equal((await post(url, fitting, json)).status, 200, 'a body that just fits');
  t.equal((await post(url, Readable.from([fitting]), json)).status, 200, 'and in chunks');
  t.match(await post(url, tooLarge, json), refused, 'one byte more, by Content-Length');
  t.match(await post(url, Readable.from(tooLarge.split('')), json), refused, 'and in chunks');
  for (const rest of [
    `Content-Length: ${tooLarge.length}\r\n\r\n${tooLarge}`,
    `Transfer-Encoding: chunked\r\n\r\n${tooLarge.length.toString(16)}\r\n${tooLarge}\r\n0\r\n\r\n`,
  ]) {
    const client = await RawConnection.open(server.port);
    client.send(`POST ${path} HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n${rest}`);
    client.socket.write('GET / HTTP/1.1\r\nHost: lab\r\n\r\n');
    await client.closed;
    t.match(client.text, /^HTTP\/1\.1 413 /, 'a client that goes on sending reads the answer');
    t.equal(client.text.split('HTTP/1.1').length, 2, 'nothing after the body is taken for a request');
  }
  t.equal((await get(`${server.url}/`)).status, 200, 'the worker goes on serving');
  // What the clients were told, whatever the app has made of it: two by post() and two by hand.
  await server.count((line) => line['url'] === path && line['status'] === 413, 4);
}

const refused = { status: 413, headers: { connection: 'close' }, body: /too large/i };

function raised(mode: Mode): void {
  const large = jsonOf(2 * 1024 * 1024);
  // Express has a limit of its own for JSON, which is not Tricorn's business.
  for (const [app, path, answer, type] of [
    ['fastify-full.ts', '/echo', large, 'application/json'],
    ['express5.ts', '/raw', JSON.stringify({ size: large.length }), 'application/octet-stream'],
  ] as const) {
    t.test(`${app}: 1 MiB is the limit of a body unless body_limit says otherwise`, async (t) => {
      const headers = { 'content-type': type };
      const usual = await startTricorn(t, fixture(app), modes[mode]);
      t.match(await post(usual.url + path, large, headers), refused);
      const raised = await startTricorn(t, fixture(app), [...modes[mode], '--body-limit=3MiB']);
      for (const body of [large, Readable.from([large])]) {
        const { status, body: answered } = await post(raised.url + path, body, headers);
        t.equal(status, 200);
        t.ok(answered === answer, 'all of it came');
      }
      const without = await startTricorn(t, fixture(app), [...modes[mode], '--body-limit=0']);
      t.equal((await post(without.url + path, large, headers)).status, 200);
    });
  }
}

/** What else of Express, Koa and Hono must work as it does under their own listen(). */
function frameworks(mode: Mode): void {
  const start = (t: Test, app: string): Promise<Tricorn> => startTricorn(t, fixture(app), modes[mode]);

  t.test('express5.ts: bodies, routers and errors', async (t) => {
    const { url } = await start(t, 'express5.ts');
    t.match(await post(`${url}/echo`, '{"a":[1,2]}', json), { status: 200, body: '{"a":[1,2]}' });
    t.match(await getJson(`${url}/inner`), { mounted: true });
    t.equal((await get(`${url}/fail`)).status, 500);
    t.equal((await get(`${url}/nowhere`)).status, 404);
    t.equal((await get(`${url}/`)).status, 200);
  });

  t.test('koa.ts: middleware and errors', async (t) => {
    const { url } = await start(t, 'koa.ts');
    t.match(await get(`${url}/`), { status: 200, headers: { 'x-koa': 'yes' } });
    t.equal((await get(`${url}/fail`)).status, 500);
    t.equal((await get(`${url}/`)).status, 200);
  });

  t.test('hono.ts: bodies, streams, server-sent events and errors', async (t) => {
    const { url, port } = await start(t, 'hono.ts');
    const check = await RawConnection.open(port);
    check.send('GET / HTTP/1.0\r\n\r\n');
    await check.closed;
    t.match(check.text, /^HTTP\/1\.1 200 [^]*"url":"http:\/\/localhost\/"/, 'HTTP/1.0 without a Host header');
    t.match(await post(`${url}/echo`, '{"a":[1,2]}', json), { status: 200, body: '{"a":[1,2]}' });
    t.match(await get(`${url}/stream?ms=1`), {
      headers: { 'transfer-encoding': 'chunked' },
      body: 'one\ntwo\nthree\n',
    });
    const { body } = await get(`${url}/events?count=4&ms=1`);
    t.strictSame(body.match(/^id: .*$/gm), ['id: 1', 'id: 2', 'id: 3', 'id: 4']);
    t.equal((await get(`${url}/fail`)).status, 500);
    t.equal((await get(`${url}/nowhere`)).status, 404);
  });
}
