import { once } from 'node:events';
import { BoundSocket, connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { HealthFacts } from '../../../src/supervisor/health.ts';
import { HealthPort, MOST_CONNECTIONS } from '../../../src/supervisor/health-port.ts';
import { bindListener } from '../../../src/supervisor/listener.ts';
import { GOOD, livez, Prober, readyz } from '../../support/health.ts';
import { RawConnection } from '../../support/http.ts';
import { recordLog } from './support.ts';

const well: HealthFacts = {
  state: 'serving',
  succeeds: false,
  isCrashLooping: false,
  isHealthy: true,
  sinceTickMs: 0,
  workers: { ready: 1, wanted: 1 },
};

/** A port whose facts a test changes. */
async function open(t: Test, onWake: () => void = () => {}) {
  const { log } = recordLog();
  const listener = await bindListener('127.0.0.1', 0);
  const now = { facts: well };
  const health = new HealthPort({ listener, facts: () => now.facts, wake: onWake, log });
  t.teardown(() => health.close().catch(() => {}));
  const { port } = listener.address;
  return { health, listener, now, port, url: `http://127.0.0.1:${port}` };
}

async function client(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

t.test('a probe that comes before the tick after a suspension waits for that', async (t) => {
  const { health, now, url } = await open(t, () => setImmediate(() => (now.facts = well)));
  await health.serve();
  now.facts = { ...well, sinceTickMs: 3_600_000 };
  t.equal(await livez(url), 200);
});

t.test('where no tick comes, or it fails: not live', async (t) => {
  const { health, now, url } = await open(t);
  await health.serve();
  now.facts = { ...well, sinceTickMs: 3_600_000 };
  t.equal(await livez(url), 503);
});

t.test('who was accepted before another process answers gets what was true then', async (t) => {
  const { health, now, port, url } = await open(t);
  await health.serve();
  const early = await RawConnection.open(port);
  early.send('GET /readyz HTTP/1.1\r\n');
  // Answered, so the one before it has been accepted.
  t.match(await readyz(url), { status: 200 });
  health.leave();
  now.facts = { ...well, state: 'stopping' };
  await t.rejects(readyz(url), { code: 'ECONNREFUSED' }, 'nobody else has this socket here');
  const closed = health.close();
  early.send('\r\n');
  t.match(await early.answer(), /^HTTP\/1.1 200 OK/);
  await closed;
});

t.test('it waits for nobody who is connected where it simply ends', async (t) => {
  const { health, port } = await open(t);
  await health.serve();
  const idle = await client(port);
  const gone = once(idle, 'close');
  await health.close();
  await gone;
});

t.test('one that was closed does not serve any more', async (t) => {
  const { health, url } = await open(t);
  await health.close();
  await health.serve();
  await t.rejects(livez(url), { code: 'ECONNREFUSED' });
});

t.test('the oldest connection goes when there are too many', async (t) => {
  const { health, port, url } = await open(t);
  await health.serve();
  const first = await client(port);
  const gone = once(first, 'close');
  const others = await Promise.all(Array.from({ length: MOST_CONNECTIONS - 1 }, () => client(port)));
  const probes = new Prober(url);
  await gone;
  t.same(await probes.stop(), GOOD);
  for (const socket of others) socket.destroy();
});

t.test('a rival that has bound the same port at the same moment, and listens', async (t) => {
  const { log } = recordLog();
  const rival = new BoundSocket({ host: '127.0.0.1', port: 0 });
  const { port } = rival.address();
  // bind(2) does not notice a rival that does not listen yet, listen(2) does.
  const listener = await bindListener('127.0.0.1', port);
  const options = { facts: () => well, wake: () => {}, log };
  const first = new HealthPort({ listener: { bound: rival, shown: 'first' }, ...options });
  const second = new HealthPort({ listener, ...options });
  t.teardown(() => Promise.all([first.close(), second.close()]));
  await first.serve();
  await t.rejects(second.serve(), { code: 'TRC_PORT_IN_USE', message: new RegExp(`127.0.0.1:${port}`) });
});
