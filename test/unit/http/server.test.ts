import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import t from 'tap';
import { NotedResponse } from '../../../src/http/noted-response.ts';
import { armTimeouts, checkingInterval, DetachedServer, setTimeouts, timeoutsOf } from '../../../src/http/server.ts';
import { closed } from '../../support/http.ts';

const SHORT = { keepAlive: 1000, headers: 150, request: 150 };

/** Feeds the server from a real acceptor; gives what a client gets that sends an unfinished head. */
async function slowClient(server: http.Server): Promise<string> {
  const acceptor = net.createServer({ allowHalfOpen: true }, (socket) => server.emit('connection', socket));
  acceptor.listen(0, '127.0.0.1');
  await once(acceptor, 'listening');
  const client = net.connect((acceptor.address() as net.AddressInfo).port, '127.0.0.1');
  let answer = '';
  client.on('data', (chunk) => (answer += String(chunk)));
  // A server that has not read it yet when the time is over resets the connection after its answer.
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nHost');
  await closed(client);
  acceptor.close();
  return answer;
}

t.test('headersTimeout holds on a server that never listens', async (t) => {
  const server = new DetachedServer({ connectionsCheckingInterval: checkingInterval(SHORT) });
  setTimeouts(server, SHORT);
  armTimeouts(server);
  t.match(await slowClient(server), /^HTTP\/1.1 408 /);
  server.close();
});

t.test('and on a plain http.Server that the app made', async (t) => {
  const server = http.createServer();
  setTimeouts(server, SHORT);
  armTimeouts(server);
  t.match(await slowClient(server), /^HTTP\/1.1 408 /);
  server.close();
});

t.test('listen() binds nothing, says listening once, and answers with the service’s address', async (t) => {
  const address = { address: '10.1.2.3', family: 'IPv4', port: 8069 };
  const server = new DetachedServer({ address });
  let said = 0;
  server.on('listening', () => (said += 1));
  await new Promise<void>((resolve) => server.listen(8080, '127.0.0.1', resolve));
  server.arm();
  t.equal(said, 1);
  t.equal(server.listening, false);
  t.strictSame(server.address(), address);
  server.close();
});

t.test('close() calls back without error after listen(), and with Node’s for those who close twice', async (t) => {
  const server = new DetachedServer();
  server.arm();
  const close = (): Promise<Error | undefined> => new Promise((resolve) => server.close(resolve));
  t.equal(await close(), undefined);
  t.match(await close(), { code: 'ERR_SERVER_NOT_RUNNING' });
  t.doesNotThrow(() => new DetachedServer().close());
});

t.test('announce() surrounds the listeners of listening', async (t) => {
  const seen: string[] = [];
  const server = new DetachedServer({
    announce: (emit) => {
      seen.push('before');
      emit();
      seen.push('after');
    },
  });
  server.on('listening', () => seen.push('listening'));
  server.arm();
  t.strictSame(seen, ['before', 'listening', 'after']);
  server.close();
});

t.test('timeouts come from the settings, in ms, and headers take no longer than the request', async (t) => {
  const seconds = { keep_alive_timeout: 72, headers_timeout: 60, request_timeout: 300 };
  t.strictSame(timeoutsOf(seconds), { keepAlive: 72_000, headers: 60_000, request: 300_000 });
  t.equal(timeoutsOf({ ...seconds, request_timeout: 30 }).headers, 30_000);
  t.equal(timeoutsOf({ ...seconds, request_timeout: 0 }).headers, 60_000);
  t.equal(timeoutsOf({ ...seconds, headers_timeout: 0 }).headers, 0);
});

t.test('late clients are looked for at half the shortest timeout, between 0.1 and 30 s', async (t) => {
  const every = (headers: number, request: number): number => checkingInterval({ keepAlive: 0, headers, request });
  t.equal(every(60_000, 300_000), 30_000);
  t.equal(every(5_000, 300_000), 2_500);
  t.equal(every(0, 10_000), 5_000);
  t.equal(every(0, 0), 30_000);
  t.equal(every(50, 50), 100);
});

t.test('its responses tell whether they are event streams, however they were given their type', async (t) => {
  const type = 'text/event-stream; charset=utf-8';
  const forms: ((response: http.ServerResponse) => void)[] = [
    (response) => response.setHeader('content-type', type).writeHead(200),
    (response) => response.writeHead(200, { 'Content-Type': type }),
    (response) => response.writeHead(200, { 'CONTENT-TYPE': type }),
    (response) => response.writeHead(200, 'Fine', { 'content-type': type }),
    (response) => response.writeHead(200, ['x-other', 'content-type', 'Content-Type', type]),
    (response) => response.setHeader('content-type', 'text/plain').writeHead(200, { 'x-other': type }),
  ];
  const seen: unknown[] = [];
  const server = new DetachedServer({}, (request, response) => {
    forms[Number(request.headers['form'])]?.(response);
    if (response instanceof NotedResponse) seen.push(response.isEventStream);
    response.end();
  });
  const acceptor = net.createServer({ allowHalfOpen: true }, (socket) => server.emit('connection', socket));
  acceptor.listen(0, '127.0.0.1');
  await once(acceptor, 'listening');
  const { port } = acceptor.address() as net.AddressInfo;
  const types: unknown[] = [];
  for (const form of [...forms.keys(), forms.length]) {
    const [response] = (await once(http.get({ port, headers: { form }, agent: false }), 'response')) as [
      http.IncomingMessage,
    ];
    types.push(response.headers['content-type']);
    response.resume();
  }
  t.same(types, [type, type, type, type, type, 'text/plain', undefined]);
  t.same(seen, [true, true, true, true, true, false, false]);
  acceptor.close();
});
