import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import t, { type Test } from 'tap';
import {
  clientAddress,
  compileTrust,
  findClient,
  hopsOf,
  installProxy,
  parseForwarded,
  proxiedClient,
} from '../../../src/http/proxy.ts';
import { markUnixPeer, UNIX_PEER } from '../../../src/http/peer.ts';

const trust = compileTrust(['loopback', '10.0.0.0/8', 'fd00::/8']);
const walk = (peer: string, headers: http.IncomingHttpHeaders): object => findClient(peer, hopsOf(headers), trust);

t.test('trust is by name, address and range; what is none of these is an error', async (t) => {
  const judge = compileTrust(['loopback', 'linklocal', 'uniquelocal', '203.0.113.7']);
  for (const address of ['127.0.0.1', '::1', '169.254.1.1', '192.168.3.4', '203.0.113.7'])
    t.ok(judge(address), address);
  for (const address of ['203.0.113.8', '8.8.8.8', '2001:db8::1', 'unknown']) t.notOk(judge(address), address);
  t.throws(() => compileTrust(['localhost']), TypeError);
  t.notOk(compileTrust([])('127.0.0.1'), 'nobody');
});

t.test('the walk ends at the first address that nobody vouches for', async (t) => {
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '1.1.1.1' }), { address: '1.1.1.1' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '6.6.6.6, 1.1.1.1' }), { address: '1.1.1.1' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '6.6.6.6, 1.1.1.1, 10.0.0.2' }), { address: '1.1.1.1' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '10.0.0.3, 10.0.0.2' }), { address: '10.0.0.3' });
  t.match(walk('127.0.0.1', {}), { address: '127.0.0.1' });
});

t.test('what is no address ends the walk where it stands', async (t) => {
  t.match(walk('127.0.0.1', { 'x-forwarded-for': 'unknown' }), { address: '127.0.0.1' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '1.1.1.1, nonsense, 10.0.0.2' }), { address: '10.0.0.2' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '1.1.1.1,' }), { address: '127.0.0.1' });
});

t.test('addresses may carry a port, brackets, or IPv4 in IPv6', async (t) => {
  const address = (text: string): unknown => hopsOf({ 'x-forwarded-for': text })[0]?.for;
  t.equal(address('1.2.3.4:5678'), '1.2.3.4');
  t.equal(address('[2001:db8::1]:80'), '2001:db8::1');
  t.equal(address('[2001:db8::1]'), '2001:db8::1');
  t.equal(address('2001:db8::1'), '2001:db8::1');
  t.equal(address('::ffff:1.2.3.4'), '1.2.3.4');
});

t.test('scheme and host are those that the trusted proxies say, counted from the right', async (t) => {
  const headers = { 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'HTTPS', 'x-forwarded-host': 'a.example:8443' };
  t.match(walk('127.0.0.1', headers), { proto: 'https', host: 'a.example:8443' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'https, http' }), { proto: 'http' });
  t.match(walk('127.0.0.1', { 'x-forwarded-for': '1.1.1.1, 10.0.0.2', 'x-forwarded-proto': 'https, http' }), {
    address: '1.1.1.1',
    proto: 'https',
  });
  t.match(walk('127.0.0.1', { 'x-forwarded-proto': 'https' }), { address: '127.0.0.1', proto: 'https' });
  t.match(walk('127.0.0.1', { 'x-forwarded-proto': 'javascript', 'x-forwarded-host': 'a/b' }), {
    proto: undefined,
    host: undefined,
  });
});

t.test('Forwarded (RFC 7239) is read where there is no X-Forwarded-For', async (t) => {
  t.strictSame(parseForwarded('for=192.0.2.60;proto=http;host=a.example, For="[2001:db8:cafe::17]:4711";proto=https'), [
    { for: '192.0.2.60', proto: 'http', host: 'a.example' },
    { for: '2001:db8:cafe::17', proto: 'https', host: undefined },
  ]);
  t.strictSame(parseForwarded('for=_hidden, for="a,b;c", nonsense'), [
    { for: undefined, proto: undefined, host: undefined },
    { for: undefined, proto: undefined, host: undefined },
    { for: undefined, proto: undefined, host: undefined },
  ]);
  t.match(walk('127.0.0.1', { forwarded: 'for=6.6.6.6, for=1.1.1.1;proto=https' }), {
    address: '1.1.1.1',
    proto: 'https',
  });
  t.match(walk('127.0.0.1', { forwarded: 'for=6.6.6.6', 'x-forwarded-for': '1.1.1.1' }), { address: '1.1.1.1' });
});

/** What the app sees of a request, from a peer that is trusted or not. */
async function seen(
  t: Test,
  trusted: readonly string[],
  headers: http.OutgoingHttpHeaders,
): Promise<Record<string, unknown>> {
  const server = http.createServer((req, res) => {
    const { headers, rawHeaders } = req;
    res.end(JSON.stringify({ headers, rawHeaders, client: clientAddress(req), known: proxiedClient(req) ?? null }));
  });
  installProxy(server, compileTrust(trusted));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const request = http.get({
    port: (server.address() as net.AddressInfo).port,
    host: '127.0.0.1',
    headers,
    agent: false,
  });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return JSON.parse(body) as Record<string, unknown>;
}

const CLAIMS = {
  'X-Forwarded-For': '6.6.6.6, 1.1.1.1',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'a.example',
  'X-Real-IP': '6.6.6.6',
  Forwarded: 'for=6.6.6.6',
  'X-Other': 'stays',
};

t.test('from a trusted peer the app sees the truth and nothing else, in headers and rawHeaders', async (t) => {
  const { headers, rawHeaders, client, known } = await seen(t, ['loopback'], CLAIMS);
  const told = Object.entries(headers as object).filter(([name]) => /^x-|forwarded/.test(name));
  t.strictSame(Object.fromEntries(told), {
    'x-other': 'stays',
    'x-forwarded-for': '1.1.1.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'a.example',
  });
  const raw = (rawHeaders as string[]).join('\n');
  t.notMatch(raw, /6\.6\.6\.6/);
  t.match(raw, /x-forwarded-for\n1\.1\.1\.1/);
  t.equal(client, '1.1.1.1');
  t.match(known, { address: '1.1.1.1', proto: 'https', host: 'a.example' });
});

t.test('from anyone else it sees none of it', async (t) => {
  const { headers, rawHeaders, client, known } = await seen(t, ['10.0.0.0/8'], CLAIMS);
  t.notMatch(JSON.stringify([headers, rawHeaders]), /forwarded|real-ip|1\.1\.1\.1/i);
  t.match(headers, { 'x-other': 'stays' });
  t.equal(client, '127.0.0.1');
  t.equal(known, null);
});

t.test('upgrades are normalised too, and an app without them is left without', async (t) => {
  const server = http.createServer();
  installProxy(server, trust);
  t.equal(server.listenerCount('upgrade'), 0);
  const order: unknown[] = [];
  server.on('upgrade', (req, socket) => {
    order.push(req.headers['x-forwarded-for']);
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  });
  t.equal(server.listenerCount('upgrade'), 2);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const headers = { connection: 'upgrade', upgrade: 'x', 'x-forwarded-for': '6.6.6.6, 1.1.1.1' };
  const [, socket] = (await once(http.get({ port, host: '127.0.0.1', headers }), 'upgrade')) as [unknown, net.Socket];
  socket.destroy();
  server.close();
  t.strictSame(order, ['1.1.1.1']);
});

t.test('a server that had upgrades before gets ours before them', async (t) => {
  const server = http.createServer();
  const own = (): void => undefined;
  server.on('upgrade', own);
  installProxy(server, trust);
  t.equal(server.listeners('upgrade')[1], own);
});

t.test('a proxy on a unix socket is a process of this machine: trusted where 127.0.0.1 is', async (t) => {
  for (const [trusted, yes] of [
    [['loopback'], true],
    [['127.0.0.0/8'], true],
    [['10.0.0.0/8'], false],
  ] as const) {
    t.equal(compileTrust(trusted)(UNIX_PEER), yes, trusted[0]);
  }
  const socket = new net.Socket();
  const req = new http.IncomingMessage(socket);
  t.equal(clientAddress(req), undefined, 'a peer that is gone is none on a unix socket');
  markUnixPeer(socket);
  t.equal(clientAddress(req), UNIX_PEER);
  const server = new http.Server();
  installProxy(server, trust);
  req.headers['x-forwarded-for'] = '1.1.1.1';
  server.emit('request', req, new http.ServerResponse(req));
  t.equal(clientAddress(req), '1.1.1.1');
  const plain = new http.IncomingMessage(socket);
  server.emit('request', plain, new http.ServerResponse(plain));
  t.equal(clientAddress(plain), UNIX_PEER);
  t.equal(plain.headers['x-forwarded-for'], undefined, 'no framework is told of an address that is none');
});
