import { once } from 'node:events';
import net from 'node:net';
import t, { type Test } from 'tap';
import {
  bindError,
  bindListener,
  formatAddress,
  localUrl,
  type TcpListener,
} from '../../../src/supervisor/listener.ts';

async function bind(t: Test, host: string, port = 0): Promise<TcpListener> {
  const listener = await bindListener(host, port);
  t.teardown(() => listener.close());
  return listener;
}

/** Somebody else who serves on the loopback. */
async function startRival(t: Test, host = '127.0.0.1', port = 0): Promise<number> {
  const rival = net.createServer().listen(port, host);
  await once(rival, 'listening');
  t.teardown(() => rival.close());
  return (rival.address() as net.AddressInfo).port;
}

/** The error that a connection meets; undefined where it succeeds. */
async function connectError(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  const socket = net.connect(port, host);
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

t.test('port 0 is any free one, and the address says which', async (t) => {
  const [one, other] = [await bind(t, '127.0.0.1'), await bind(t, '127.0.0.1')];
  t.match(one.address, { address: '127.0.0.1', family: 'IPv4' });
  t.ok(one.address.port > 0 && one.address.port !== other.address.port);
  t.ok(one.fd > 2 && one.fd !== other.fd, 'a descriptor to inherit');
});

t.test('it binds and does not listen: until a worker does, connections are refused', async (t) => {
  const { address } = await bind(t, '127.0.0.1');
  t.equal(await connectError(address.port), 'ECONNREFUSED');
});

t.test('IPv6, with brackets or without', async (t) => {
  t.match((await bind(t, '::1')).address, { address: '::1', family: 'IPv6' });
  t.match((await bind(t, '[::1]')).address, { address: '::1', family: 'IPv6' });
  t.match((await bind(t, '::')).address, { address: '::', family: 'IPv6' });
});

t.test('a name is resolved', async (t) => {
  const { address } = await bind(t, 'localhost');
  t.ok(['127.0.0.1', '::1'].includes(address.address), address.address);
});

t.test('a port that somebody serves is TRC_PORT_IN_USE', async (t) => {
  const port = await startRival(t);
  await t.rejects(bindListener('127.0.0.1', port), {
    code: 'TRC_PORT_IN_USE',
    exitCode: 4,
    message: `127.0.0.1:${port} is in use by another process`,
    cause: { code: 'EADDRINUSE' },
  });
  const sixth = await startRival(t, '::1');
  await t.rejects(bindListener('[::1]', sixth), { message: `[::1]:${sixth} is in use by another process` });
});

t.test('an address that is not this machine’s is TRC_ADDRESS', async (t) => {
  // TEST-NET-1 and the documentation prefix: nobody has them.
  await t.rejects(bindListener('192.0.2.1', 0), {
    code: 'TRC_ADDRESS',
    exitCode: 4,
    message: 'cannot listen on 192.0.2.1:0: EADDRNOTAVAIL',
  });
  await t.rejects(bindListener('2001:db8::1', 8069), {
    code: 'TRC_ADDRESS',
    message: 'cannot listen on [2001:db8::1]:8069: EADDRNOTAVAIL',
  });
});

t.test('a name that does not resolve is TRC_ADDRESS', async (t) => {
  await t.rejects(bindListener('nowhere.invalid', 80), {
    code: 'TRC_ADDRESS',
    message: /^cannot listen on nowhere\.invalid:80: E/,
    cause: { syscall: 'getaddrinfo' },
  });
});

t.test('once closed, the port is free', async (t) => {
  const { address, close } = await bindListener('127.0.0.1', 0).then((listener) => ({
    address: listener.address,
    close: () => listener.close(),
  }));
  close();
  t.equal(await startRival(t, '127.0.0.1', address.port), address.port);
});

t.test('errors of bind(2) and listen(2) by their codes', async (t) => {
  const of = (code?: string): string =>
    bindError(Object.assign(new Error('odd'), code ? { code } : {}), 'here:80').message;
  t.equal(of('EADDRINUSE'), 'here:80 is in use by another process');
  // Root may bind any port, so these two are told by hand.
  for (const code of ['EACCES', 'EPERM']) t.equal(of(code), 'no permission to listen on here:80');
  t.equal(of('EAFNOSUPPORT'), 'cannot listen on here:80: EAFNOSUPPORT');
  t.equal(of(), 'cannot listen on here:80: odd');
  const cause = Object.assign(new Error('denied'), { code: 'EACCES' });
  t.match(bindError(cause, 'here:80'), { code: 'TRC_PORT_DENIED', exitCode: 4, cause });
});

t.test('addresses as people write them', async (t) => {
  t.equal(formatAddress({ address: '127.0.0.1', port: 8069 }), '127.0.0.1:8069');
  t.equal(formatAddress({ address: '::1', port: 8069 }), '[::1]:8069');
  t.equal(formatAddress({ address: 'localhost', port: 80 }), 'localhost:80');
  t.equal(formatAddress({ address: '[::1]', port: 80 }), '[::1]:80');
});

t.test('a URL to try from this machine', async (t) => {
  t.equal(localUrl({ address: '0.0.0.0', port: 80 }), 'http://127.0.0.1:80');
  t.equal(localUrl({ address: '::', port: 80 }), 'http://[::1]:80');
  t.equal(localUrl({ address: '10.1.2.3', port: 80 }), 'http://10.1.2.3:80');
});
