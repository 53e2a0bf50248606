/** What an upgrade does with the process itself, whatever its mode: which program it is, what it inherits, who is told. */
import { chmodSync, existsSync, lstatSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { freePort } from '../support/free-port.ts';
import { get, getJson } from '../support/http.ts';
import { shortFolder } from '../support/ini.ts';
import { canNotify, NotifySocket } from '../support/notify-socket.ts';
import { endLast, FAILED, upgrade } from '../support/upgrade.ts';
import { childrenOf, fixture, gone, modes, startTricorn, Tricorn } from '../support/tricorn.ts';

const lab = fixture('lab.ts');
const BIN = join(import.meta.dirname, '../../bin/tricorn.js');

function relink(path: string, target: string): void {
  symlinkSync(target, `${path}.new`);
  renameSync(`${path}.new`, path);
}

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

for (const [mode, flags] of Object.entries(modes)) {
  t.test(`Node and Tricorn are what their links lead to then: ${mode}`, async (t) => {
    const folder = t.testdir();
    const [node, program] = [join(folder, 'node'), join(folder, 'tricorn.mjs')];
    relink(node, process.execPath);
    relink(program, BIN);
    const server = await startTricorn(t, lab, flags, { node, program });
    writeProgram(join(folder, 'new-node'), `#!/bin/sh\necho "new node"\nexec ${process.execPath} "$@"\n`);
    relink(node, join(folder, 'new-node'));
    writeFileSync(join(folder, 'new.mjs'), `console.log('new tricorn');\nawait import(${JSON.stringify(BIN)});\n`);
    relink(program, join(folder, 'new.mjs'));
    const pid = await upgrade(server, server.pid);
    t.same(server.otherLines, ['new node', 'new tricorn']);
    t.equal((await get(`${server.url}/who`)).status, 200);
    await endLast(server, pid);
  });
}

t.test('a Node or a Tricorn that is broken: the old one stays', async (t) => {
  const folder = t.testdir();
  const [node, program] = [join(folder, 'node'), join(folder, 'tricorn.mjs')];
  relink(node, process.execPath);
  relink(program, BIN);
  const server = await startTricorn(t, lab, ['--evented'], { node, program });
  const broken: Readonly<Record<string, RegExp>> = {
    'echo "no Tricorn" >&3': /ended by itself with exit code 0/,
    'exit 1': /exit code 1/,
    'kill -SEGV $$': /SIGSEGV/,
  };
  let failed = 0;
  for (const [script, says] of Object.entries(broken)) {
    failed += 1;
    writeProgram(join(folder, 'new-node'), `#!/bin/sh\n${script}\n`);
    relink(node, join(folder, 'new-node'));
    server.kill('SIGUSR2');
    await server.count(FAILED, failed);
    t.match(
      server.lines.findLast(({ msg }) => FAILED.test(msg)),
      { code: 'TRC_UPGRADE', msg: says },
    );
    t.equal((await get(`${server.url}/who`)).status, 200);
  }
  relink(node, process.execPath);
  relink(program, join(folder, 'nowhere.mjs'));
  server.kill('SIGUSR2');
  await server.count(FAILED, failed + 1);
  t.equal((await get(`${server.url}/who`)).status, 200);
});

t.test('no worker sees the variable', async (t) => {
  const server = await startTricorn(t, lab, ['--workers=1']);
  const pid = await upgrade(server, server.pid);
  const [worker = 0] = childrenOf(pid);
  t.notMatch(readFileSync(`/proc/${worker}/environ`, 'utf8'), /TRICORN_UPGRADE/);
  await endLast(server, pid);
});

t.test('sd_notify: the old process says which one is the service now, and only that one says more', async (t) => {
  const socket = await NotifySocket.open(t);
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '4000000' };
  const server = await startTricorn(t, lab, ['--evented'], { env });
  if (!canNotify) return;
  const first = server.pid;
  await socket.message(/WATCHDOG=1/);
  const pid = await upgrade(server, first);
  const told = await socket.message(/MAINPID/);
  t.match(told, new RegExp(`\\bMAINPID=${pid}\\b`));
  const since = socket.messages.indexOf(told);
  while (!socket.messages.slice(since + 1).some((message) => /WATCHDOG=1/.test(message))) await once(socket, 'message');
  const [before, after] = [socket.messages.slice(0, since + 1), socket.messages.slice(since + 1)];
  // Alone, or in one message with what was said in the same moment.
  t.ok(before.some((message) => /\bRELOADING=1\|MONOTONIC_USEC=\d+/.test(message)));
  t.match(after[0], /^READY=1\|STATUS=1 of 1 workers ready/);
  t.notOk(
    socket.messages.some((message) => /STOPPING/.test(message)),
    'the service does not stop',
  );
  await endLast(server, pid);
  await socket.message(/STOPPING=1/);
});

t.test('sd_notify: an upgrade that fails is over, too', async (t) => {
  const socket = await NotifySocket.open(t);
  const folder = t.testdir({ 'app.mjs': 'export const handler = (_, response) => response.end();' });
  const env = { NOTIFY_SOCKET: socket.path };
  const server = await startTricorn(t, 'app.mjs', ['--evented'], { cwd: folder, env });
  if (!canNotify) return;
  await socket.message(/READY=1/);
  writeFileSync(join(folder, 'app.mjs'), 'throw new Error();');
  server.kill('SIGUSR2');
  const begun = socket.messages.indexOf(await socket.message(/RELOADING=1/));
  while (!socket.messages.slice(begun).some((message) => /READY=1/.test(message))) await once(socket, 'message');
  t.notOk(socket.messages.some((message) => /MAINPID/.test(message)));
});

/** Starts it with all that it needs in its tricorn.ini. */
async function startConfigured(t: Test, folder: string, ini: string): Promise<Tricorn> {
  writeFileSync(join(folder, 'tricorn.ini'), ini);
  const server = new Tricorn(t, [lab, '--evented'], { cwd: folder });
  await server.line(/^Ready/);
  return server;
}

t.test('other addresses in the configuration are bound, and what nobody asks for any more goes', async (t) => {
  const folder = shortFolder(t);
  const ini = (port: number, name: string, more = ''): string =>
    `[options]\nhttp_interface = 127.0.0.1\nhttp_port = ${port}\nhttp_socket = ${name}\n${more}`;
  const [first, second] = [freePort(), freePort()];
  const server = await startConfigured(t, folder, ini(first, 'one.sock'));
  writeFileSync(join(folder, 'tricorn.ini'), ini(second, 'two.sock', 'http_socket_mode = 600\n'));
  let pid = await upgrade(server, server.pid);
  await server.line(new RegExp(`^Upgrade: tcp 127.0.0.1:${first} is not taken over`));
  t.equal((await get(`http://127.0.0.1:${second}/who`)).status, 200);
  await t.rejects(get(`http://127.0.0.1:${first}/who`), { code: 'ECONNREFUSED' });
  t.notOk(existsSync(join(folder, 'one.sock')));
  t.equal(lstatSync(join(folder, 'two.sock')).mode & 0o777, 0o600);
  // The same address: its permissions are the new ones.
  writeFileSync(join(folder, 'tricorn.ini'), ini(second, 'two.sock', 'http_socket_mode = 666\n'));
  pid = await upgrade(server, pid);
  t.equal(lstatSync(join(folder, 'two.sock')).mode & 0o777, 0o666);
  // A file that somebody has removed is made anew.
  renameSync(join(folder, 'two.sock'), join(folder, 'lost.sock'));
  pid = await upgrade(server, pid);
  t.equal((await get('http://local/who', { socketPath: join(folder, 'two.sock') })).status, 200);
  await endLast(server, pid);
  t.notOk(existsSync(join(folder, 'two.sock')));
});

t.test('what needs a restart otherwise is taken', async (t) => {
  const folder = shortFolder(t);
  const ini = 'http_interface = 127.0.0.1\nhttp_port = 0\n';
  const server = await startConfigured(t, folder, `[options]\n${ini}pidfile = one.pid\n`);
  const { url } = server;
  writeFileSync(join(folder, 'tricorn.ini'), `[options]\n${ini}pidfile = two.pid\n`);
  const pid = await upgrade(server, server.pid);
  t.notOk(existsSync(join(folder, 'one.pid')));
  t.equal(readFileSync(join(folder, 'two.pid'), 'utf8'), `${pid}\n`);
  t.equal((await get(`${url}/who`)).status, 200, 'any free port: it stays the one that it was');
  await endLast(server, pid);
});

t.test('process 1 of a container refuses, and serves on', async (t) => {
  const folder = t.testdir();
  const node = join(folder, 'node');
  writeProgram(
    node,
    `#!/bin/sh\nexec unshare --user --map-root-user --pid --fork --kill-child --mount-proc ${process.execPath} "$@"\n`,
  );
  const server = await startTricorn(t, lab, ['--evented'], { node });
  const [inner = 0] = childrenOf(server.pid);
  process.kill(inner, 'SIGUSR2');
  await server.line(/^Upgrade refused: this is process 1, .*docs\/reload\.md/);
  t.match(await getJson(`${server.url}/who`), { title: /^tricorn/ });
  process.kill(inner, 'SIGTERM');
  await server.line(/exit code 0$/);
});

t.test('the debugging port is left to the process that has it', async (t) => {
  const server = await startTricorn(t, lab, ['--evented'], { execArgv: ['--inspect=127.0.0.1:0'] });
  const pid = await upgrade(server, server.pid);
  t.notMatch(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /--inspect/);
  t.equal(
    dirname(server.lines.find(({ msg }) => / starts: /.test(msg))?.msg.split(' ')[4] ?? ''),
    dirname(process.execPath),
  );
  await endLast(server, pid);
});

t.test('tricorn upgrade waits until another process is the service, and tells which', async (t) => {
  const server = await startTricorn(t, fixture('lab.ts'), modes.prefork);
  const exit = once(server.child, 'exit');
  const { code, stdout } = await server.control('upgrade', '--json');
  t.equal(code, 0);
  const { outcome, successor } = JSON.parse(stdout) as { outcome: string; successor: number };
  t.equal(outcome, 'done');
  t.strictSame(await exit, [0, null]);
  t.match(await getJson(`${server.url}/who`), { pid: Number });
  process.kill(successor, 'SIGTERM');
  await gone(successor);
});

t.test('tricorn upgrade that fails tells why the new process could not serve', async (t) => {
  const folder = t.testdir({ 'app.mjs': 'export const handler = (_, response) => response.end();' });
  const server = await startTricorn(t, 'app.mjs', modes.prefork, { cwd: folder });
  writeFileSync(join(folder, 'app.mjs'), "throw new Error('not today');");
  const { code, stderr } = await server.control('upgrade');
  t.equal(code, 1);
  t.match(stderr, /process \d+ will not be ready: the app .* failed to load/);
  t.match(stderr, /Error: not today\n +at /);
  t.equal((await get(server.url)).status, 200);
});

t.test('tricorn upgrade tells which address the new process could not have', async (t) => {
  const folder = shortFolder(t);
  const ini = '[options]\nhttp_interface = 127.0.0.1\nhttp_port = 0\n';
  const server = await startConfigured(t, folder, ini);
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  writeFileSync(join(folder, 'tricorn.ini'), ini.replace('http_port = 0', `http_port = ${port}`));
  const { code, stderr } = await server.control('upgrade');
  t.equal(code, 1);
  t.match(stderr, new RegExp(`process \\d+ will not be ready: 127\\.0\\.0\\.1:${port} is in use`));
  t.equal((await get(`${server.url}/who`)).status, 200);
});

t.test('tricorn upgrade tells what the new process could not even begin with', async (t) => {
  const folder = shortFolder(t);
  const ini = '[options]\nhttp_interface = 127.0.0.1\nhttp_port = 0\n';
  const server = await startConfigured(t, folder, ini);
  for (const [line, reason] of [
    [
      'workerz = 2',
      /process \d+ will not be ready: [^]*tricorn\.ini:4 workerz: unknown setting; did you mean workers\?/,
    ],
    ['stop_after_init = true', /process \d+ will not be ready: .*stop_after_init and test_file are no service/],
  ] as const) {
    writeFileSync(join(folder, 'tricorn.ini'), `${ini}${line}\n`);
    t.match(await server.control('upgrade'), { code: 1, stderr: reason });
    t.equal((await get(`${server.url}/who`)).status, 200);
  }
});

t.test('what is asked for during an upgrade hears who is the service now; a reload is passed on', async (t) => {
  const folder = t.testdir({ 'app.mjs': 'export const handler = (_, response) => response.end();' });
  const server = await startTricorn(t, 'app.mjs', modes.prefork, { cwd: folder });
  const waits = `import { existsSync } from 'node:fs'; while (!existsSync('go')) await new Promise(setImmediate);`;
  writeFileSync(join(folder, 'app.mjs'), `${waits} export const handler = (_, response) => response.end();`);
  const exit = once(server.child, 'exit');
  const upgraded = server.control('upgrade', '--json');
  await server.line(/^Upgrade: process \d+ starts/);
  const scaled = server.control('scale', '3');
  const reloaded = server.control('reload', '--json');
  await server.line(/^scale: waits for the upgrade/);
  await server.line(/^reload: waits for the upgrade/);
  writeFileSync(join(folder, 'go'), '');
  const { successor } = JSON.parse((await upgraded).stdout) as { successor: number };
  t.match(await scaled, { code: 6, stderr: new RegExp(`process ${successor} is the service now: ask it`) });
  t.match(JSON.parse((await reloaded).stdout), { outcome: 'done', successor });
  t.strictSame(await exit, [0, null]);
  await server.line((line) => line.pid === successor && line.msg.startsWith('Reload: generation 2 serves'));
  process.kill(successor, 'SIGTERM');
  await gone(successor);
});
