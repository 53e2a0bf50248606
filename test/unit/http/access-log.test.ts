import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';

import { accessLog, CountingResponse } from '../../../src/http/access-log.ts';
import type { LogConfig } from '../../../src/log/identity.ts';

interface Setup {
  readonly port: number;
  /** The next line of the log. */
  readonly next: () => Promise<string>;
}

async function serve(
  t: Test,
  format: LogConfig['log_format'],
  listener: http.RequestListener,
  counting = true,
): Promise<Setup> {
  const lines: string[] = [];
  const written = new EventTarget();
  const write = (line: string): void => {
    lines.push(line);
    written.dispatchEvent(new Event('line'));
  };
  const log = { level: 'info', identity: { role: 'http', worker: 1, thread: 2 }, write } as const;
  const logAccess = accessLog({ log, format, clientAddress: () => '192.0.2.7' });
  const server = http.createServer(counting ? { ServerResponse: CountingResponse } : {}, (req, res) => {
    const startedAt = performance.now();
    res.once('close', () => logAccess(req, res, startedAt));
    listener(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const next = async (): Promise<string> => {
    while (lines.length === 0) await once(written, 'line');
    return lines.shift() ?? '';
  };
  return { port: (server.address() as AddressInfo).port, next };
}

/** Sends bytes as they are, and reads until the server closes. */
async function send(port: number, request: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk));
  socket.write(request);
  await once(socket, 'close');
  return answer;
}

const get = (url: string, headers = ''): string =>
  `GET ${url} HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`;
const parse = (line: string): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>;

t.test('json: every field, and no secret', async (t) => {
  const { port, next } = await serve(t, 'json', (_, res) => res.writeHead(201).end('grüße'));
  const secrets = 'Authorization: Bearer geheim\r\nCookie: sid=geheim\r\n';
  await send(port, get('/a?b=1', `Referer: http://r/"x\r\nUser-Agent: test/1\r\n${secrets}`));
  const line = await next();
  t.match(parse(line), {
    level: 30,
    time: Number,
    pid: process.pid,
    worker: 1,
    thread: 2,
    type: 'access',
    remote: '192.0.2.7',
    method: 'GET',
    url: '/a?b=1',
    status: 201,
    bytes: 7,
    ms: Number,
    referer: 'http://r/"x',
    agent: 'test/1',
    msg: 'GET /a?b=1 201',
  });
  t.notMatch(line, 'geheim');
  t.notHas(parse(line), 'aborted');
});

t.test('text: combined log format and what we add', async (t) => {
  const { port, next } = await serve(t, 'text', (_, res) => res.end('hello'));
  await send(port, get('/a"b\\', 'User-Agent: "x" \\\r\n'));
  t.match(
    await next(),
    /^192\.0\.2\.7 - - \[\d\d\/\w{3}\/\d{4}:[\d:]{8} [+-]\d{4}\] "GET \/a\\"b\\\\ HTTP\/1\.1" 200 5 "-" "\\"x\\" \\\\" [\d.]+ms \d+ 1\.2$/,
  );
});

t.test('a long address is cut, and the line fits into a pipe', async (t) => {
  const { port, next } = await serve(t, 'json', (_, res) => res.end());
  await send(port, get(`/${'x'.repeat(9000)}`, `Referer: ${'r'.repeat(3000)}\r\n`));
  const line = await next();
  t.ok(line.length < 4096);
  t.equal(parse(line)['url'], `/${'x'.repeat(2047)}...`);
});

t.test('bytes of the body: in pieces, in another encoding, pipelined', async (t) => {
  const { port, next } = await serve(t, 'json', ({ url }, res) => {
    res.write('ü');
    res.write(Buffer.from('abc'));
    if (url === '/latin1') res.end('ü', 'latin1');
    else res.end();
  });
  await send(port, `GET / HTTP/1.1\r\nHost: x\r\n\r\n${get('/latin1')}`);
  t.match([parse(await next()), parse(await next())], [{ bytes: 5 }, { bytes: 6, url: '/latin1' }]);
});

t.test('no body is sent for HEAD and 304', async (t) => {
  const { port, next } = await serve(t, 'json', ({ method }, res) =>
    res.writeHead(method === 'HEAD' ? 200 : 304).end('abc'),
  );
  await send(port, get('/').replace('GET', 'HEAD'));
  t.equal(parse(await next())['bytes'], 0);
  await send(port, get('/'));
  t.equal(parse(await next())['bytes'], 0);
});

t.test('without CountingResponse: content-length, or nothing', async (t) => {
  const length = await serve(t, 'json', (_, res) => res.setHeader('Content-Length', 3).end('abc'), false);
  await send(length.port, get('/'));
  t.equal(parse(await length.next())['bytes'], 3);
  const none = await serve(t, 'text', (_, res) => res.end('abc'), false);
  await send(none.port, get('/'));
  t.match(await none.next(), / 200 - /);
});

t.test('a client that goes before the answer, and during it', async (t) => {
  for (const format of ['json', 'text'] as const) {
    const { port, next } = await serve(t, format, ({ url, socket }, res) => {
      if (url === '/during') res.write('part');
      socket.destroy();
    });
    await send(port, get('/before'));
    t.match(await next(), format === 'json' ? /"status":499,.*"aborted":true/ : / 499 0 .* aborted$/);
    await send(port, get('/during'));
    t.match(await next(), format === 'json' ? /"status":200,"bytes":4,.*"aborted":true/ : / 200 4 .* aborted$/);
  }
});

t.test('its lines are of level info', async (t) => {
  const write = (): void => void t.fail('written');
  const log = { level: 'warn', identity: { role: 'http' }, write } as const;
  const req = new http.IncomingMessage(new net.Socket());
  accessLog({ log, format: 'json', clientAddress: () => undefined })(req, new http.ServerResponse(req), 0);
});
