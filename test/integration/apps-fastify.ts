/** What users of Fastify rely on: all of it works as under its own listen(), with options and log from Tricorn. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { get, getJson, post } from '../support/http.ts';
import { withIni } from '../support/ini.ts';
import { fixture, modes, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';

const json = { 'content-type': 'application/json' };

export function fastify(mode: Mode): void {
  t.test('fastify-full.ts', async (t) => {
    const options = withIni(t, { app: { greeting: 'moin' }, 'app.db': { host: 'localhost' } });
    const server = await startTricorn(t, fixture('fastify-full.ts'), [...modes[mode], ...options]);
    plugins(t, server);
    schemas(t, server);
    uploads(t, server);
    streams(t, server);
    logs(t, server, mode);
  });
  generated(mode);
}

function plugins(t: Test, { url }: Tricorn): void {
  t.test('the [app] section is the options of the plugin', async (t) => {
    t.match(await getJson(`${url}/options`), { greeting: 'moin', db: { host: 'localhost' } });
    t.match(await getJson(`${url}/`), { greeting: 'moin' }, 'and of the plugins that it hands them to');
  });

  t.test('decorators and hooks reach as far as Fastify says, and no farther', async (t) => {
    const outer = await get(`${url}/`);
    const inner = await get(`${url}/inner`);
    t.match(JSON.parse(outer.body), { servedBy: /^\d+$/, secret: false });
    t.strictSame(JSON.parse(inner.body), { secret: true });
    t.match([outer.headers['x-inner'], inner.headers['x-inner']], [undefined, 'yes']);
  });
}

function schemas(t: Test, { url }: Tricorn): void {
  t.test('what the schema forbids is answered with 400', async (t) => {
    const { status, body } = await post(`${url}/sum`, '{"a":1}', json);
    t.equal(status, 400);
    t.match(JSON.parse(body), { code: 'FST_ERR_VALIDATION', message: /required property 'b'/ });
    t.equal((await post(`${url}/sum`, '{"a":', json)).status, 400, 'nor is half of a document taken');
  });

  t.test('what the response schema does not name is left out', async (t) => {
    t.match(await post(`${url}/sum`, '{"a":1,"b":2}', json), { status: 200, body: '{"sum":3}' });
  });

  t.test('404, and HEAD', async (t) => {
    const missing = await get(`${url}/nowhere`);
    t.match(JSON.parse(missing.body), { message: 'Route GET:/nowhere not found', statusCode: 404 });
    const whole = await get(`${url}/inner`);
    const head = await get(`${url}/inner`, { method: 'HEAD' });
    t.match(head, { status: 200, body: /^$/, headers: { 'content-length': whole.headers['content-length'] } });
  });
}

function uploads(t: Test, { url }: Tricorn): void {
  t.test('an upload of several MB arrives to the byte', async (t) => {
    const form = new FormData();
    const sent = [5_000_001, 3_000_000].map((size, index) => {
      const bytes = randomBytes(size);
      form.append(`file${index}`, new Blob([bytes]), `${index}.bin`);
      return { name: `${index}.bin`, size, sha256: createHash('sha256').update(bytes).digest('hex') };
    });
    const response = await fetch(`${url}/upload`, { method: 'POST', body: form, headers: { connection: 'close' } });
    t.strictSame(await response.json(), { files: sent });
  });
}

function streams(t: Test, { url }: Tricorn): void {
  t.test('every server-sent event arrives', async (t) => {
    const { headers, body } = await get(`${url}/events?count=25&ms=1`);
    t.equal(headers['content-type'], 'text/event-stream');
    t.strictSame(
      body.match(/^id: .*$/gm),
      Array.from({ length: 25 }, (_, index) => `id: ${index + 1}`),
    );
  });

  t.test('websockets: messages go to and fro, and the end is a clean one', async (t) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`);
    await once(socket, 'open');
    // 70,000 bytes do not fit into one frame's short length.
    for (const message of ['one', 'zwölf', 'x'.repeat(70_000)]) {
      const echoed = once(socket, 'message');
      socket.send(message);
      t.ok(String((await echoed)[0]) === `echo: ${message}`, message.slice(0, 10));
    }
    socket.close(1000);
    t.match(await once(socket, 'close'), [1000]);
  });

  t.test('an upgrade that no route wants is refused', async (t) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/nowhere`);
    await t.rejects(once(socket, 'open'), /404/);
  });
}

function logs(t: Test, server: Tricorn, mode: Mode): void {
  const { url } = server;
  const whose = { pid: Number, worker: Number, ...(mode === 'threaded' ? { thread: Number } : {}) };

  t.test('request.log is part of the log, and tells who wrote', async (t) => {
    const { id } = await getJson<{ id: string }>(`${url}/log`);
    const said = await server.line(/^the app says hello$/);
    t.match(said, { ...whose, level: 30, reqId: id, seen: 'in the log' });
    t.ok(server.workers().includes(said.pid), 'a worker');
    t.equal(said['role'], mode === 'evented' ? 'evented' : 'http');
  });

  t.test('an error becomes a 500 that is logged once, with its stack', async (t) => {
    t.match(await get(`${url}/fail`), { status: 500, body: /failed on purpose/ });
    await server.line((line) => line['type'] === 'access' && line['url'] === '/fail');
    const failures = server.lines.filter(({ level, msg }) => level >= 50 && msg === 'failed on purpose');
    t.match(failures, [{ ...whose, reqId: String, err: { stack: /fastify-full\.ts:\d+/ } }]);
  });

  t.test('Fastify’s own lines about each request and about listening are not logged', async (t) => {
    const noise = /^(incoming request|request completed|Server listening)/;
    await get(`${url}/`);
    t.notOk(server.lines.some(({ msg }: LogLine) => noise.test(msg)));
  });
}

function generated(mode: Mode): void {
  for (const name of ['fastify-cli-cjs', 'fastify-cli-esm']) {
    t.test(`${name}: what fastify-cli generates runs unchanged`, async (t) => {
      const { url } = await startTricorn(t, fixture(`${name}/app.js`), modes[mode]);
      t.strictSame(await getJson(`${url}/`), { root: true });
      t.match(await get(`${url}/example`), { status: 200, body: 'this is an example' });
      t.equal((await get(`${url}/nowhere`)).status, 404);
    });
  }

  t.test('an `options` export is for the server and the plugin, under the [app] section', async (t) => {
    const options = withIni(t, { app: { title: 'shop' } });
    const { url } = await startTricorn(t, fixture('fastify-options.ts'), [...modes[mode], ...options]);
    t.strictSame(await getJson(`${url}/`, { headers: { 'x-request-id': 'mine' } }), {
      id: 'mine',
      given: ['requestIdHeader', 'routerOptions', 'title'],
    });
    t.equal((await get(`${url}/slash/`)).status, 200);
  });
}
