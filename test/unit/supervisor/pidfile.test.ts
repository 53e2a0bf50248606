import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Pidfile } from '../../../src/supervisor/pidfile.ts';
import { runModule, source } from './support.ts';

/** A process with this title that lives until the test ends it. */
async function startProcess(
  t: Test,
  title = 'tricorn: supervisor (evented) app.ts',
): Promise<ChildProcess & { pid: number }> {
  const script = `process.title = ${JSON.stringify(title)}; process.stdin.resume(); console.log('named')`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child as ChildProcess & { pid: number };
}

async function endProcess(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** As /proc shows it: to ask Node for it is deprecated. */
const UMASK = Number.parseInt(/^Umask:\t(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '', 8);

t.test('it holds our pid in one line that all may read, and is removed', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'tricorn.pid');
  const pidfile = new Pidfile(path);
  pidfile.write();
  t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  t.equal(statSync(path).mode & 0o777, 0o644 & ~UMASK);
  t.same(readdirSync(folder), ['tricorn.pid'], 'nothing is left beside it');
  pidfile.write();
  t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`, 'our own pid is in nobody’s way');
  pidfile.remove();
  t.same(readdirSync(folder), []);
  pidfile.remove();
});

t.test('one that names a live supervisor is left alone', async (t) => {
  const path = join(t.testdir(), 'tricorn.pid');
  const { pid } = await startProcess(t);
  writeFileSync(path, `${pid}\n`);
  const pidfile = new Pidfile(path);
  t.throws(() => pidfile.write(), {
    code: 'TRC_PIDFILE',
    exitCode: 4,
    message: `pidfile ${path}: names process ${pid}, which is alive; stop it`,
  });
  t.equal(readFileSync(path, 'utf8'), `${pid}\n`);
  pidfile.remove();
  t.ok(existsSync(path), 'not ours to remove');
});

t.test('one that names a dead process is replaced', async (t) => {
  const path = join(t.testdir(), 'tricorn.pid');
  const child = await startProcess(t);
  await endProcess(child);
  writeFileSync(path, `${child.pid}`);
  new Pidfile(path).write();
  t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
});

t.test('one whose number belongs to another program by now is replaced', async (t) => {
  const path = join(t.testdir(), 'tricorn.pid');
  const { pid } = await startProcess(t, 'postgres: checkpointer of tricorn');
  writeFileSync(path, `${pid}\n`);
  new Pidfile(path).write();
  t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
});

t.test('one that still starts is known by its command line', async (t) => {
  const folder = t.testdir({ 'tricorn.js': "process.stdin.resume(); console.log('started')" });
  const child = spawn(process.execPath, [join(folder, 'tricorn.js')], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const path = join(folder, 'tricorn.pid');
  writeFileSync(path, `${child.pid}\n`);
  t.throws(() => new Pidfile(path).write(), { code: 'TRC_PIDFILE' });
});

t.test('one that names nobody is replaced', async (t) => {
  const path = join(t.testdir(), 'tricorn.pid');
  // 0 and -1 mean process groups to kill(2), the long one is no pid of any system.
  for (const content of ['', 'garbage', '0', '-1', '+1', '1.5', '1 2', '0x1', '99999999999999999999']) {
    writeFileSync(path, content);
    new Pidfile(path).write();
    t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`, content);
  }
});

t.test('a holder that belongs to somebody else lives, too', async (t) => {
  const path = join(t.testdir(), 'tricorn.pid');
  const { pid } = await startProcess(t);
  // A child that has given up root's rights asks for it, and may not signal it.
  writeFileSync(path, `${pid}\n`);
  const script = `
    const { Pidfile } = await import(${source('supervisor/pidfile.ts')});
    if (process.getuid() === 0) process.setuid(65534);
    try { new Pidfile(${JSON.stringify(path)}).write(); } catch ({ message }) { process.stdout.write(message); }`;
  const output = await runModule(t, script);
  t.equal(output, `pidfile ${path}: names process ${pid}, which is alive; stop it`);
});

t.test('one that cannot be written is told, and nothing is left behind', async (t) => {
  const folder = t.testdir();
  t.throws(() => new Pidfile(join(folder, 'none', 'pid')).write(), {
    code: 'TRC_PIDFILE',
    message: /none\/pid: ENOENT/,
  });
  const path = join(folder, 'folder');
  mkdirSync(path);
  t.throws(() => new Pidfile(path).write(), { code: 'TRC_PIDFILE', message: /is no regular file/ });
  t.same(readdirSync(folder), ['folder']);
});

t.test('one that a later supervisor has taken over is left to it', async (t) => {
  const path = join(t.testdir(), 'tricorn.pid');
  const pidfile = new Pidfile(path);
  pidfile.write();
  writeFileSync(path, '1\n');
  pidfile.remove();
  t.equal(readFileSync(path, 'utf8'), '1\n');
});

t.test('without a path there is none', async (t) => {
  const folder = t.testdir();
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  process.chdir(folder);
  const pidfile = new Pidfile('');
  pidfile.write();
  pidfile.remove();
  t.same(readdirSync(folder), []);
});
