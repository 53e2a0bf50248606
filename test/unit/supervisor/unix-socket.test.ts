import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Listener } from '../../../src/supervisor/listener.ts';
import { bindUnixSocket } from '../../../src/supervisor/unix-socket.ts';
import { shortFolder } from '../../support/ini.ts';

async function bind(t: Test, path: string, mode = '0660'): Promise<Listener> {
  const listener = await bindUnixSocket({ path, mode });
  let open = true;
  t.teardown(() => open && listener.close());
  return { ...listener, close: () => ((open = false), listener.close()) };
}

/** Somebody else who serves there. */
async function startRival(t: Test, path: string): Promise<net.Server> {
  const rival = net.createServer().listen(path);
  t.teardown(() => rival.close());
  await once(rival, 'listening');
  return rival;
}

t.test('it has the mode from the first moment that it has its name, and nothing is left beside it', async (t) => {
  const folder = shortFolder(t);
  const path = join(folder, 's');
  for (const [mode, bits] of [
    ['0660', 0o660],
    ['600', 0o600],
    ['0777', 0o777],
  ] as const) {
    const listener = await bind(t, path, mode);
    t.match(listener, { kind: 'unix', address: path, shown: `unix:${path}` });
    t.ok(listener.fd > 2);
    t.equal(lstatSync(path).mode & 0o777, bits);
    t.same(readdirSync(folder), ['s']);
    t.equal(listener.isLost?.(), false);
    listener.close();
    t.same(readdirSync(folder), [], 'removed with it');
  }
});

t.test('it belongs to whom it is meant for', async (t) => {
  const path = join(shortFolder(t), 's');
  // Only root may give files away; who is not may still give them to himself.
  const owner =
    process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : { uid: process.getuid!(), gid: process.getgid!() };
  const listener = await bindUnixSocket({ path, mode: '0600', owner });
  t.teardown(() => listener.close());
  t.match(lstatSync(path), owner);
});

t.test('one that nobody answers on is replaced', async (t) => {
  const path = join(shortFolder(t), 's');
  const stale = await bind(t, path);
  const { ino } = lstatSync(path);
  const listener = await bind(t, path);
  t.not(lstatSync(path).ino, ino);
  t.equal(stale.isLost?.(), true, 'who had it before can tell');
  stale.close();
  t.ok(existsSync(path), 'and does not remove what is another’s');
  listener.close();
  t.notOk(existsSync(path));
});

t.test('one that somebody serves is refused and untouched', async (t) => {
  const path = join(shortFolder(t), 's');
  await startRival(t, path);
  const { ino } = lstatSync(path);
  await t.rejects(bindUnixSocket({ path, mode: '0660' }), {
    code: 'TRC_SOCKET',
    exitCode: 4,
    message: `http_socket ${path}: another process serves there`,
  });
  t.equal(lstatSync(path).ino, ino);
});

t.test('a file of another kind is refused and untouched', async (t) => {
  const folder = shortFolder(t);
  const [file, link] = [join(folder, 'file'), join(folder, 'link')];
  writeFileSync(file, 'precious');
  symlinkSync(join(folder, 'nowhere'), link);
  for (const path of [file, link, folder]) {
    await t.rejects(bindUnixSocket({ path, mode: '0660' }), {
      code: 'TRC_SOCKET',
      message: /a file that is no socket/,
    });
  }
  t.equal(readFileSync(file, 'utf8'), 'precious');
  t.same(readdirSync(folder), ['file', 'link']);
});

t.test('what the system refuses is told', async (t) => {
  const folder = shortFolder(t);
  await t.rejects(bindUnixSocket({ path: join(folder, 'none', 's'), mode: '0660' }), {
    code: 'TRC_SOCKET',
    message: /none\/s: /,
  });
  await t.rejects(bindUnixSocket({ path: join(folder, 'x'.repeat(120)), mode: '0660' }), {
    message: /the path is too long/,
  });
  t.same(readdirSync(folder), []);
});

t.test('a folder that is gone by the end does no harm', async (t) => {
  const folder = shortFolder(t);
  const listener = await bind(t, join(folder, 's'));
  rmSync(folder, { recursive: true });
  t.equal(listener.isLost?.(), true);
  listener.close();
});
