import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import { limitBody, limitContinue } from '../../../src/http/body-limit.ts';
import { closed, raw, RawConnection } from '../../support/http.ts';

interface Limited {
  readonly port: number;
  /** How often the app's listener was called, and what became of its reading of the body. */
  readonly app: { calls: number; read: string[] };
}

/** A server with a limit of 10 bytes whose app reads the body; it begins its answer before that if `early`. */
async function limited(t: Test, early = false, limit = 10): Promise<Limited> {
  const app = { calls: 0, read: [] as string[] };
  const listener = async (req: http.IncomingMessage, res: http.ServerResponse): Promise<void> => {
    app.calls += 1;
    if (early) res.write('early ');
    try {
      let size = 0;
      for await (const chunk of req as AsyncIterable<Buffer>) size += chunk.length;
      app.read.push(`${size} bytes`);
      res.end(`read ${size}`);
    } catch (error) {
      app.read.push(`failed: ${(error as NodeJS.ErrnoException).code}`);
    }
  };
  const server = http.createServer(limitBody(limit, (req, res) => void listener(req, res)));
  limitContinue(limit, server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, app };
}

const DECLARED = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ';
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
const chunk = (size: number): string => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;
const END = '0\r\n\r\n';

t.test('lets bodies within the limit pass, to the byte', async (t) => {
  const { port, app } = await limited(t);
  t.match(await raw(port, `${DECLARED}10\r\n\r\n0123456789`), /read 10$/);
  t.match(await raw(port, CHUNKED, chunk(4), chunk(6), END), /read 10/);
  t.match(await raw(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /read 0/);
  t.equal(app.calls, 3);
});

t.test('refuses a Content-Length over the limit before the app sees it, and before the body has come', async (t) => {
  const { port, app } = await limited(t);
  // The time that a client gets to read its answer never passes: only what it sends can end the connection.
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const answer = await raw(port, `${DECLARED}11\r\n\r\n0123456789x`);
  t.match(answer, /^HTTP\/1.1 413 Payload Too Large\r\n/);
  t.match(answer, /\r\nconnection: close\r\n/i);
  t.match(
    answer,
    /\{"statusCode":413,"code":"TRC_BODY_LIMIT","error":"Payload Too Large","message":"the request body is too large: body_limit is 10 bytes"\}$/,
  );
  t.equal(app.calls, 0);
  const socket = net.connect(port, '127.0.0.1');
  socket.write(`${DECLARED}1000000\r\n\r\n`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  t.match(first.toString(), /^HTTP\/1.1 413 /, 'at once');
  socket.destroy();
});

t.test('tells only who may send that he may', async (t) => {
  const { port, app } = await limited(t);
  const asks = 'Expect: 100-continue\r\n\r\n';
  const refused = await RawConnection.open(port);
  refused.send(`${DECLARED}11\r\n${asks}`);
  t.match(await refused.until(/^HTTP/), /^HTTP\/1\.1 413 /);
  t.equal(app.calls, 0);
  const client = await RawConnection.open(port);
  client.send(`${DECLARED}4\r\n${asks}`);
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  client.socket.write('abcd');
  await client.until(/read 4/);
});

t.test('an app that listens for who asks decides alone', async (t) => {
  const server = http.createServer(limitBody(10, (_req, res) => res.end('limited')));
  limitContinue(10, server);
  server.on('checkContinue', (_req: http.IncomingMessage, res: http.ServerResponse) => res.writeHead(417).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  t.match(await raw(port, `${DECLARED}4\r\nExpect: 100-continue\r\n\r\n`), /^HTTP\/1\.1 417 /);
});

t.test('refuses a chunked body when it goes over the limit, and the app does not take it for whole', async (t) => {
  const { port, app } = await limited(t);
  t.match(await raw(port, CHUNKED, chunk(6), chunk(6), END), /^HTTP\/1.1 413 /);
  t.match(await raw(port, CHUNKED, chunk(11), chunk(500), chunk(500), END), /^HTTP\/1.1 413 /);
  t.equal(app.calls, 2);
  t.strictSame(app.read, ['failed: TRC_BODY_LIMIT', 'failed: TRC_BODY_LIMIT']);
});

t.test('cuts the connection where the answer has begun', async (t) => {
  const { port, app } = await limited(t, true);
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(CHUNKED);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.match(answer.toString(), /^HTTP\/1.1 200 [^]*early/);
  socket.write(chunk(11));
  await closed(socket);
  t.strictSame(app.read, ['failed: TRC_BODY_LIMIT']);
});

t.test('a client that goes on sending is cut after a while', async (t) => {
  const { port } = await limited(t);
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (data) => (answer += String(data)));
  socket.write(CHUNKED);
  const timer = setInterval(() => socket.write(chunk(100)), 20);
  await closed(socket);
  clearInterval(timer);
  t.match(answer, /^HTTP\/1.1 413 /);
});

t.test('0 is no limit, and costs nothing', async (t) => {
  const listener = (): void => undefined;
  t.equal(limitBody(0, listener), listener);
});
