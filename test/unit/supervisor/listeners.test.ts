import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Listeners, type OpenOptions } from '../../../src/supervisor/listeners.ts';
import { freePort } from '../../support/free-port.ts';
import { shortFolder } from '../../support/ini.ts';
import { load } from '../config/support.ts';
import { recordLog, type Line } from './support.ts';

interface Opened {
  readonly listeners: Listeners;
  readonly lines: readonly Line[];
}

async function open(t: Test, argv: readonly string[], options: Partial<OpenOptions> = {}): Promise<Opened> {
  const { log, lines } = recordLog();
  const loaded = load(t.testdir({ 'app.ts': '' }), { argv: ['app.ts', '--http-port=0', ...argv] });
  const listeners = new Listeners({ loaded, log });
  t.teardown(() => listeners.close());
  await listeners.open({ bind: true, env: {}, ...options });
  return { listeners, lines };
}

t.test('http_interface and http_port: one TCP listener, and its URL', async (t) => {
  const { listeners } = await open(t, ['--http-interface=127.0.0.1']);
  t.equal(listeners.all.length, 1);
  t.match(listeners.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.match(listeners.all[0]?.address, { address: '127.0.0.1' });
  t.equal(listeners.describe(), ` on ${listeners.url}`);
  listeners.close();
  t.same(listeners.all, []);
  t.equal(listeners.url, undefined);
});

t.test('an address that means all of them is named as one that can be tried', async (t) => {
  const { listeners } = await open(t, []);
  t.match(listeners.describe(), / on http:\/\/127\.0\.0\.1:\d+ and every other address of this machine$/);
});

t.test('http_socket beside it, and alone', async (t) => {
  const path = join(shortFolder(t), 's');
  const both = await open(t, ['--http-interface=127.0.0.1', `--http-socket=${path}`]);
  t.equal(both.listeners.describe(), ` on ${both.listeners.url} and unix:${path}`);
  both.listeners.close();
  t.notOk(existsSync(path));
  const { listeners } = await open(t, ['--http-interface=none', `--http-socket=${path}`]);
  t.equal(listeners.describe(), ` on unix:${path}`);
  t.equal(listeners.url, undefined);
  t.equal(listeners.all[0]?.address, path);
  t.equal(listeners.lost(), undefined);
  await open(t, ['--http-interface=none', `--http-socket=${path}`]);
  t.match(listeners.lost(), { code: 'TRC_SOCKET', message: /has replaced or removed it/ });
});

t.test('nothing to listen on is a mistake', async (t) => {
  await t.rejects(open(t, ['--http-interface=none']), { code: 'TRC_NO_LISTENER', exitCode: 2 });
});

t.test('http_enable = false, or a check: none', async (t) => {
  const env = { LISTEN_FDS: '1', LISTEN_PID: String(process.pid) };
  for (const [argv, bind] of [
    [['--no-http'], true],
    [[], false],
  ] as const) {
    const { listeners } = await open(t, argv, { bind, env: { ...env } });
    t.same(listeners.all, []);
    t.equal(listeners.describe(), '');
  }
});

t.test('what was passed to another process is ignored, and that is said', async (t) => {
  const { listeners, lines } = await open(t, [], { env: { LISTEN_FDS: '1', LISTEN_PID: '1' } });
  t.equal(listeners.all.length, 1);
  t.match(lines, [{ level: 'info', message: 'LISTEN_FDS is ignored: it is meant for process 1' }]);
});

t.test('evented_port: a listener of its own, which only evented workers get', async (t) => {
  const port = freePort();
  const { listeners } = await open(t, ['--http-interface=127.0.0.1', `--evented-port=${port}`]);
  t.equal(listeners.aside[0]?.shown, `127.0.0.1:${port}`);
  t.equal(listeners.of('http').length, 1);
  t.not(listeners.of('http')[0], listeners.aside[0]);
  t.equal(listeners.of('evented').length, 2, 'the evented mode serves both');
  t.match(listeners.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.match(listeners.describe(), / and http:\/\/127\.0\.0\.1:\d+ \(evented\)$/);
});

t.test('health_port: a listener of its own, which no worker gets, and which outlives the others', async (t) => {
  const port = freePort();
  const { listeners } = await open(t, ['--http-interface=127.0.0.1', `--health-port=${port}`]);
  t.equal(listeners.health?.shown, `127.0.0.1:${port}`, 'on the loopback alone');
  t.notOk(listeners.isHealthForeign);
  for (const role of ['http', 'evented', 'cron'] as const)
    t.notOk(listeners.of(role).some(({ fd }) => fd === listeners.health?.fd));
  t.equal(listeners.describe(), ` on ${listeners.url} and http://127.0.0.1:${port} (health)`);
  t.match(listeners.handed, [{ asked: 'tcp 127.0.0.1:0' }, { asked: `health tcp 127.0.0.1:${port}` }]);
  listeners.refuse();
  t.same(listeners.all, [listeners.health]);
  listeners.leave([`health tcp 127.0.0.1:${port}`]);
  t.ok(listeners.isHealthForeign);
  listeners.close();
  t.same(listeners.all, []);
});

t.test('http_enable = false: the health port alone', async (t) => {
  const port = freePort();
  const { listeners } = await open(t, ['--no-http', `--health-port=${port}`]);
  t.same(listeners.all, [listeners.health]);
  const { listeners: checked } = await open(t, [`--health-port=${port}`], { bind: false });
  t.same(checked.all, [], 'and in a check not even that');
});

t.test('health_interface and health_port that cannot be had', async (t) => {
  const rival = createServer().listen(0, '127.0.0.1');
  t.teardown(() => rival.close());
  await once(rival, 'listening');
  const taken = `--health-port=${(rival.address() as AddressInfo).port}`;
  await t.rejects(open(t, [taken]), { code: 'TRC_PORT_IN_USE', exitCode: 4 });
  await t.rejects(open(t, ['--health-interface=192.0.2.1', '--health-port=1024']), { code: 'TRC_ADDRESS' });
});
