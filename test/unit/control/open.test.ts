import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { ask } from '../../../src/control/client.ts';
import { openControl } from '../../../src/control/open.ts';
import { makeRuntimeDirectory, runtimeDirectory, searchedDirectories } from '../../../src/control/runtime-directory.ts';
import { shortFolder } from '../../support/ini.ts';
import { recordLog } from '../supervisor/support.ts';
import { FakeService, serve } from './support.ts';

const uid = process.getuid?.() ?? -1;
const GET = { method: 'GET', path: '/status' } as const;

t.test('only its owner may open it, and nothing is left when it is closed', async (t) => {
  const { path, control } = await serve(t);
  t.equal(lstatSync(path).mode & 0o777, 0o600);
  t.same(readdirSync(join(path, '..')), ['control']);
  control.close();
  t.notOk(existsSync(path));
  t.doesNotThrow(() => control.close(), 'twice is once');
});

t.test('by default it is in the runtime directory, by pid', async (t) => {
  const folder = join(shortFolder(t), 'made');
  const { path } = await serve(t, { config: { control_socket: '' }, env: { RUNTIME_DIRECTORY: `${folder}:/other` } });
  t.equal(path, join(folder, `${process.pid}.sock`));
  t.equal(lstatSync(folder).mode & 0o777, 0o700);
});

t.test('none means none', async (t) => {
  const { log, lines } = recordLog();
  const config = { control_socket: 'none' };
  t.equal(await openControl({ config, log, operations: new FakeService(t), env: {} }), undefined);
  t.same(lines, []);
});

t.test('one that nobody serves is replaced, one that somebody serves is not', async (t) => {
  const path = join(shortFolder(t), 'control');
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
  const rival = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(rival.stdout, 'data');
  const config = { control_socket: path };
  await t.rejects(serve(t, { config }), {
    code: 'TRC_CONTROL_SOCKET',
    exitCode: 4,
    message: `control_socket ${path}: another process serves there; stop it`,
  });
  rival.kill('SIGKILL');
  await once(rival, 'exit');
  t.ok(existsSync(path));
  await serve(t, { config });
  t.match(await ask(path, GET), { status: 200 });
});

t.test('an upgrade takes the path over, and the predecessor leaves it alone', async (t) => {
  const old = await serve(t);
  const config = { control_socket: old.path };
  const now = await serve(t, { config, takeOver: true });
  now.service.reported = { ...now.service.reported, generation: 9 };
  t.match(await ask(old.path, GET), { body: { generation: 9 } });
  old.control.close();
  t.match(await ask(old.path, GET), { body: { generation: 9 } });
  t.equal(lstatSync(old.path).mode & 0o777, 0o600);
});

t.test('a path that cannot be had: an error where somebody gave it', async (t) => {
  const folder = shortFolder(t);
  writeFileSync(join(folder, 'file'), '');
  for (const [control_socket, reason] of [
    [join(folder, 'x'.repeat(108)), /too long, for the system takes \d+ bytes/],
    [join(folder, 'none/s'), /no folder/],
    [join(folder, 'file'), /no socket/],
  ] as const) {
    await t.rejects(serve(t, { config: { control_socket } }), { code: 'TRC_CONTROL_SOCKET', message: reason });
  }
});

t.test('a path that cannot be had: only a warning where nobody gave it', async (t) => {
  const folder = shortFolder(t);
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  writeFileSync(join(folder, 'file'), '');
  for (const [directory, reason] of [
    [open, /There is no control socket: the folder .*open may be written to by others; choose another path/],
    [join(folder, 'file'), /EEXIST/],
    [join(folder, 'x'.repeat(108)), /too long/],
  ] as const) {
    const { log, lines } = recordLog();
    const options = { config: { control_socket: '' }, log, operations: new FakeService(t) };
    t.equal(await openControl({ ...options, env: { RUNTIME_DIRECTORY: directory } }), undefined);
    t.match(lines, [{ level: 'warn', message: reason }]);
  }
});

t.test('what dead servers left behind in the runtime directory is removed', async (t) => {
  const folder = shortFolder(t);
  const program = `require('net').createServer().listen(${JSON.stringify(folder)} + '/' + process.pid + '.sock',
    () => console.log('up'))`;
  const dead = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(dead.stdout, 'data');
  dead.kill('SIGKILL');
  await once(dead, 'exit');
  const other = net.createServer().listen(join(folder, '1.sock'));
  t.teardown(() => other.close());
  await once(other, 'listening');
  writeFileSync(join(folder, 'notes'), '');
  await serve(t, { config: { control_socket: '' }, env: { RUNTIME_DIRECTORY: folder } });
  t.same(readdirSync(folder).sort(), ['1.sock', `${process.pid}.sock`, 'notes'].sort());
});

t.test('the runtime directory: service manager, root, session, else one in /tmp', async (t) => {
  const tmp = shortFolder(t);
  const XDG_RUNTIME_DIR = tmp;
  const of = (env: Record<string, string>, who = 1000): string => runtimeDirectory({ env, uid: who, tmp });
  t.equal(of({ RUNTIME_DIRECTORY: '/run/shop:/run/b', XDG_RUNTIME_DIR }, 0), '/run/shop');
  t.equal(of({ XDG_RUNTIME_DIR }, 0), '/run/tricorn', 'root has one, with a session or without');
  t.equal(of({ XDG_RUNTIME_DIR }), join(tmp, 'tricorn'));
  t.equal(of({ XDG_RUNTIME_DIR: '/nowhere' }), join(tmp, 'tricorn-1000'));
  t.equal(of({}), join(tmp, 'tricorn-1000'));
});

t.test('a folder that others could meddle with is neither used nor searched', async (t) => {
  const tmp = shortFolder(t);
  // Its name has another uid than its owner, for only root could give a folder away.
  const stranger = { env: {}, uid: uid + 1, tmp };
  mkdirSync(join(tmp, `tricorn-${uid + 1}`), { mode: 0o700 });
  if (uid === 0) chownSync(join(tmp, 'tricorn-1'), 12_345, 12_345);
  t.throws(() => makeRuntimeDirectory(stranger), /belongs to another user/);
  t.notOk(searchedDirectories(stranger).includes(join(tmp, `tricorn-${uid + 1}`)));
  const link = join(tmp, 'link');
  symlinkSync(shortFolder(t), link);
  t.throws(() => makeRuntimeDirectory({ env: { RUNTIME_DIRECTORY: link }, uid, tmp }), /is none/, 'a link in /tmp');
  t.equal(makeRuntimeDirectory({ env: { RUNTIME_DIRECTORY: link }, uid, tmp: '/elsewhere' }).includes('link'), false);
});
