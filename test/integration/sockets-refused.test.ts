/** What keeps the service from its sockets: told with exit code 4 or 2, and left as it is. */
import { once } from 'node:events';
import { closeSync, existsSync, lstatSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { shortFolder } from '../support/ini.ts';
import { fixture, startTricorn, Tricorn, type StartOptions } from '../support/tricorn.ts';

const lab = fixture('lab.ts');

function start(t: Test, flags: readonly string[], options?: StartOptions): Tricorn {
  return new Tricorn(t, [lab, '--evented', '--http-interface=none', ...flags], options);
}

async function refused(t: Test, server: Tricorn, exit: number, line: { code: string; msg: RegExp }): Promise<void> {
  t.strictSame(await server.ended, [exit, null]);
  t.match(server.lines.at(-1), line);
}

t.test('a socket that another process serves is left to it', async (t) => {
  const path = join(shortFolder(t), 's');
  const first = await startTricorn(t, lab, ['--evented', `--http-socket=${path}`]);
  const { ino } = lstatSync(path);
  await refused(t, start(t, [`--http-socket=${path}`]), 4, { code: 'TRC_SOCKET', msg: /another process serves there/ });
  t.equal(lstatSync(path).ino, ino, 'untouched');
  t.equal((await get('http://local/who', { socketPath: path })).status, 200);
  first.kill('SIGTERM');
  await first.ended;
});

t.test('a socket that a killed service left behind is replaced', async (t) => {
  const path = join(shortFolder(t), 's');
  const first = await startTricorn(t, lab, ['--evented', `--http-socket=${path}`]);
  first.kill('SIGKILL');
  await first.ended;
  t.ok(existsSync(path), 'it could not remove it');
  const second = start(t, [`--http-socket=${path}`]);
  await second.line(/^Ready/);
  t.equal((await get('http://local/who', { socketPath: path })).status, 200);
});

t.test('a file of another kind is left alone', async (t) => {
  const folder = shortFolder(t);
  const file = join(folder, 'file');
  writeFileSync(file, 'precious');
  const link = join(folder, 'link');
  symlinkSync(file, link);
  for (const path of [file, link, folder]) {
    await refused(t, start(t, [`--http-socket=${path}`]), 4, { code: 'TRC_SOCKET', msg: /a file that is no socket/ });
  }
  t.equal(readFileSync(file, 'utf8'), 'precious');
});

t.test('a socket that somebody has replaced is not removed at the stop', async (t) => {
  const path = join(shortFolder(t), 's');
  const server = start(t, [`--http-socket=${path}`]);
  await server.line(/^Ready/);
  rmSync(path);
  const rival = createServer().listen(path);
  t.teardown(() => rival.close());
  await once(rival, 'listening');
  const { ino } = lstatSync(path);
  server.kill('SIGTERM');
  t.strictSame(await server.ended, [0, null]);
  t.equal(lstatSync(path).ino, ino);
});

t.test('nothing to listen on: exit code 2', async (t) => {
  await refused(t, start(t, []), 2, { code: 'TRC_NO_LISTENER', msg: /nothing to listen on/ });
});

t.test('what LISTEN_FDS passes must be a socket that can be listened on', async (t) => {
  const file = join(shortFolder(t), 'file');
  writeFileSync(file, '');
  const fd = openSync(file, 'r');
  t.teardown(() => closeSync(fd));
  const server = start(t, [], { passed: { fds: [fd], names: 'odd' } });
  await refused(t, server, 4, { code: 'TRC_ACTIVATION', msg: /descriptor 3 \(odd\), is no socket/ });
});
