/** What clients do on their connections, politely or not. */
import t, { type Test } from 'tap';
import { get, getJson, HeldRequest, RawConnection } from '../support/http.ts';
import { fixture, modes, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';

export function connections(mode: Mode): void {
  const start = (t: Test, app: string, ...more: string[]): Promise<Tricorn> =>
    startTricorn(t, fixture(app), [...modes[mode], ...more]);

  t.test('requests sent in one go on one connection are answered in their order', async (t) => {
    const server = await start(t, 'pipeline.mjs');
    const client = await RawConnection.open(server.port);
    client.send(['/first', '/second', '/third'].map((path) => `GET ${path} HTTP/1.1\r\nHost: lab\r\n\r\n`).join(''));
    const text = await client.until(/\/third\n/);
    t.strictSame(
      text.match(/^answer to .*$/gm),
      ['/first', '/second', '/third'].map((path) => `answer to GET ${path}`),
    );
  });

  t.test('a body over body_limit that an Express app answers without reading it harms nobody', async (t) => {
    const server = await start(t, 'express5.ts', '--body-limit=1000');
    const workers = server.workers();
    for (let n = 0; n < 5; n += 1) {
      const client = await RawConnection.open(server.port);
      client.send('POST /nowhere HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n');
      client.send(`7d0\r\n${'x'.repeat(2000)}\r\n0\r\n\r\n`);
      t.match(await client.until(/^HTTP[^]*\r\n\r\n/), /^HTTP\/1\.1 4(04|13) /);
      client.socket.destroy();
    }
    t.equal((await get(`${server.url}/`)).status, 200);
    t.strictSame(server.workers(), workers);
    t.notOk(server.lines.some(({ msg }) => msg === 'Uncaught error'));
  });

  t.test('HEAD: the head of the answer and no body, and the connection goes on', async (t) => {
    const server = await start(t, 'lab.ts');
    const client = await RawConnection.open(server.port);
    client.send('HEAD /who HTTP/1.1\r\nHost: lab\r\n\r\n');
    t.match(
      await client.until(/\r\n\r\n/),
      /^HTTP\/1\.1 200 OK\r\ncontent-type: application\/json\r\n[\s\S]*\r\n\r\n$/i,
    );
    t.match(await client.get('/who'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"pid":/);
    t.match(await server.line((line) => line['method'] === 'HEAD'), { bytes: 0, status: 200 });
  });

  t.test('Expect: 100-continue is answered before the body comes', async (t) => {
    for (const [app, path] of [
      ['lab.ts', '/wait'],
      ['fastify-full.ts', '/echo'],
    ] as const) {
      const server = await start(t, app);
      const client = await RawConnection.open(server.port);
      const head = 'Host: lab\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n';
      client.send(`POST ${path} HTTP/1.1\r\n${head}`);
      t.equal(await client.until(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n', app);
      client.send('{}');
      t.match(await client.answer(), /^HTTP\/1\.1 200 /, app);
    }
  });

  leaving(start);
  silent(start);
}

type Start = (t: Test, app: string, ...more: string[]) => Promise<Tricorn>;

function leaving(start: Start): void {
  t.test('clients that go away in mid-request are logged with 499 and harm nobody', async (t) => {
    const server = await start(t, 'lab.ts');
    const held = await HeldRequest.begin(`${server.url}/wait`);
    for (let n = 0; n < 10; n += 1) {
      const client = await RawConnection.open(server.port);
      client.send('POST /wait HTTP/1.1\r\nHost: lab\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n');
      await client.until(/100 Continue/);
      // Half of them politely, the others with a reset.
      if (n % 2 === 0) client.socket.destroy();
      else client.socket.resetAndDestroy();
    }
    const isGone = (line: LogLine): boolean => line['status'] === 499;
    await server.count(isGone, 10);
    for (const line of server.lines.filter(isGone)) t.match(line, { url: '/wait', aborted: true, remote: '127.0.0.1' });
    t.match(await held.finish(), { status: 200, body: 'waited' }, 'what was in flight is answered');
    t.equal((await get(`${server.url}/who`)).status, 200);
    t.notOk(server.lines.some(({ level }) => level >= 40));
  });

  t.test('a client that goes away in mid-answer harms nobody', async (t) => {
    const server = await start(t, 'fastify-full.ts');
    const client = await RawConnection.open(server.port);
    client.send('GET /events?count=1000000&ms=1 HTTP/1.1\r\nHost: lab\r\n\r\n');
    await client.until(/id: 1\n/);
    client.socket.resetAndDestroy();
    const line = await server.line(({ url }) => String(url).startsWith('/events'));
    t.match(line, { status: 200, aborted: true });
    t.equal((await get(`${server.url}/`)).status, 200);
  });
}

function silent(start: Start): void {
  t.test('a hundred clients that connect and say nothing harm nobody', async (t) => {
    const server = await start(t, 'lab.ts', '--graceful-timeout=0.5');
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(server.port)));
    for (let n = 0; n < 20; n += 1) t.match(await getJson(`${server.url}/who`), { pid: Number });
    t.notOk(
      clients.some(({ socket }) => socket.closed),
      'they are left alone',
    );
    server.kill('SIGTERM');
    await Promise.all(clients.map(({ closed }) => closed));
    t.strictSame(await server.ended, [0, null], 'and they do not keep it from ending');
  });
}
