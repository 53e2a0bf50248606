/** The commands that talk to a running server, as the real command, against a process that serves a control socket. */
import { execFile, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { Play } from '../support/control-server.ts';
import { shortFolder } from '../support/ini.ts';
import { Tricorn } from '../support/tricorn.ts';

const BIN = fileURLToPath(new URL('../../bin/tricorn.js', import.meta.url));
const SERVER = fileURLToPath(new URL('../support/control-server.ts', import.meta.url));

/** A folder with an app, which is also the runtime directory. */
class Place {
  readonly folder: string;
  readonly app: string;
  readonly #t: Test;

  constructor(t: Test) {
    this.#t = t;
    this.folder = shortFolder(t);
    this.app = this.write('app.mjs', 'export const handler = (request, response) => response.end();');
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, RUNTIME_DIRECTORY: this.folder };
  }

  /** Resolves when it listens, with the path of its socket. */
  async serve(play: Partial<Play> = {}): Promise<{ child: ChildProcess; path: string }> {
    const whole: Play = { argv: [this.app], ...play };
    const child = fork(SERVER, [JSON.stringify(whole)], { cwd: this.folder, env: this.env, silent: true });
    const ended = once(child, 'exit');
    this.#t.teardown(() => {
      child.kill('SIGKILL');
      return ended;
    });
    child.stderr?.pipe(process.stderr);
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    return { child, path: line.toString().trim() };
  }

  /** Runs the command to its end. `env -u`: as in test/support/tricorn.ts. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const command = ['-u', 'NODE_OPTIONS', process.execPath, '--conditions=tricorn-source', BIN, ...args];
    execFile('env', command, { cwd: this.folder, env: { ...this.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
    return promise;
  }
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

t.test('status and stacks show the server that runs, for people and as JSON', async (t) => {
  const place = new Place(t);
  const { child, path } = await place.serve();
  t.match(await place.run(['status']), {
    code: 0,
    stderr: '',
    stdout: new RegExp(`^server +pid ${child.pid}, tricorn`),
  });
  const json = await place.run(['status', '--json']);
  t.match(JSON.parse(json.stdout), { pid: child.pid, app: place.app, ready: 2, workers: [] });
  t.same(await place.run(['status', '--path']), { code: 0, stderr: '', stdout: `${path}\n` });
  t.same(JSON.parse((await place.run(['status', '--path', '--json'])).stdout), { path });
  t.match(await place.run(['stacks']), { code: 0, stdout: 'worker 1 (pid 7): idle\n' });
  t.match(JSON.parse((await place.run(['stacks', '--json'])).stdout), { workers: [{ number: 1 }] });
});

t.test('reload shows progress, waits for the outcome, and ends with its exit code', async (t) => {
  const place = new Place(t);
  const { child } = await place.serve();
  t.same(await place.run(['reload']), {
    code: 0,
    stdout: 'reload done: reload {}: generation 2 serves\n',
    stderr: 'workers ready 0/2\nworkers ready 1/2\nworkers ready 2/2\n',
  });
  const json = await place.run(['mode', 'prefork', '--workers=3', '--json']);
  t.equal(json.code, 0);
  t.match(JSON.parse(json.stdout), { outcome: 'done', text: /^mode {"mode":"prefork","count":3}/, generation: 2 });
  for (const argv of [['scale', '3'], ['recycle', '1'], ['rollback'], ['upgrade']]) {
    t.match(await place.run(argv), { code: 0, stdout: new RegExp(`^${argv[0]} done: `) });
  }
  child.kill('SIGKILL');
});

t.test('a reload that fails: exit code 1, and why', async (t) => {
  const place = new Place(t);
  await place.serve({ change: 'failed' });
  const { code, stdout, stderr } = await place.run(['reload']);
  t.match({ code, stdout }, { code: 1, stdout: '' });
  t.match(
    stderr,
    /^workers ready 0\/2\n[^]*\ntricorn: reload failed: .* serves on\nthe app failed to boot\nError: db\nLook\. \(TRC_APP_BOOT\)\n$/,
  );
  t.match(JSON.parse((await place.run(['reload', '--json'])).stdout), {
    outcome: 'failed',
    error: { code: 'TRC_APP_BOOT' },
  });
});

t.test('a reload that is refused: exit code 6', async (t) => {
  const place = new Place(t);
  await place.serve({ change: 'refused' });
  t.same(await place.run(['reload']), {
    code: 6,
    stdout: '',
    stderr: 'tricorn: reload refused: another change is on its way\n',
  });
});

t.test('a server that dies in the middle of it: exit code 5', async (t) => {
  const place = new Place(t);
  await place.serve({ change: 'die' });
  t.match(await place.run(['reload']), { code: 5, stdout: '', stderr: /broke off.*\(TRC_NO_SERVER\)\n$/s });
});

t.test('stop waits until the server has ended, however it ends', async (t) => {
  for (const rude of [false, true]) {
    const place = new Place(t);
    const { child } = await place.serve({ rude });
    const ended = once(child, 'exit');
    const { code, stdout } = await place.run(['stop']);
    t.match({ code, stdout }, { code: 0, stdout: `stop done: process ${child.pid} has stopped\n` });
    await ended;
  }
});

t.test('usage mistakes: exit code 2, all at once; --help needs no server', async (t) => {
  const place = new Place(t);
  t.match(await place.run(['scale', 'x', '--workers=3']), {
    code: 2,
    stdout: '',
    stderr: /^tricorn: scale: --workers: unknown flag\ncount = x: must be .*--help.* \(TRC_USAGE\)\n$/s,
  });
  t.match(JSON.parse((await place.run(['scale', '--json'])).stdout), { error: { code: 'TRC_USAGE' } });
  t.match(await place.run(['scale', '--help']), { code: 0, stdout: /^Usage: tricorn scale N/ });
  t.match(await place.run(['relaod']), { code: 2, stderr: /relaod: unknown command; did you mean reload\?/ });
  t.match(await place.run(['reload.ts']), { code: 2, stderr: /no such file: .*reload\.ts/ }, 'that would be an app');
});

t.test('no server: exit code 5', async (t) => {
  const place = new Place(t);
  t.match(await place.run(['status']), { code: 5, stderr: /no running server was found in .*\(TRC_NO_SERVER\)/s });
  const { child, path } = await place.serve();
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.match(await place.run(['status']), { code: 5, stderr: /no running server was found/ }, 'its file is still there');
  t.match(await place.run(['status', `--control-socket=${path}`]), { code: 5, stderr: /the server has ended/ });
  t.match(await place.run(['status', '--control-socket=nowhere']), { code: 5, stderr: /no control socket .*nowhere/ });
  t.match(await place.run(['reload', '--json']), { code: 5, stdout: /"TRC_NO_SERVER"/ });
  t.match(await place.run(['status'], { TRICORN_CONTROL_SOCKET: 'none' }), {
    code: 5,
    stderr: /TRICORN_CONTROL_SOCKET is none/,
  });
  const other = net
    .createServer((socket) => socket.on('error', () => {}).end('220 ready\r\n'))
    .listen(join(place.folder, 'smtp'));
  t.teardown(() => other.close());
  t.match(await place.run(['status', '--control-socket=smtp']), { code: 5, stderr: /no control socket of Tricorn/ });
});

t.test('several servers: they are listed, and nothing is done; flags, file and app choose', async (t) => {
  const place = new Place(t);
  const twin = place.write('twin.mjs', '');
  const [a, b] = await Promise.all([
    place.serve({ argv: [place.app, '--pidfile=a.pid'] }),
    place.serve({ argv: [twin] }),
  ]);
  const { code, stderr } = await place.run(['stop']);
  t.equal(code, 5);
  for (const [child, app] of [
    [a.child, place.app],
    [b.child, twin],
  ] as const) {
    t.ok(stderr.includes(`pid ${child.pid}: ${app} (`), stderr);
  }
  t.equal(a.child.exitCode ?? b.child.exitCode, null);
  const pathBy = async (args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> =>
    (await place.run(['status', '--path', ...args], env)).stdout.trim();
  t.equal(await pathBy(['--pidfile=a.pid']), a.path);
  t.equal(await pathBy([], { TRICORN_PIDFILE: 'a.pid' }), a.path);
  t.equal(await pathBy(['--pidfile=a.pid'], { TRICORN_CONTROL_SOCKET: b.path }), a.path, 'a flag is stronger');
  t.equal(await pathBy([`--control-socket=${b.path}`, '--pidfile=a.pid']), b.path);
  symlinkSync(place.folder, join(place.folder, 'link'));
  t.equal(await pathBy([], { TRICORN_APP: 'link/twin.mjs' }), b.path);
  const sub = join(place.folder, 'sub');
  mkdirSync(sub);
  writeFileSync(join(sub, 'a.ini'), '[options]\npidfile = ../a.pid\nworkers = nonsense\n');
  t.equal(await pathBy(['-c', 'sub/a.ini']), a.path, 'other mistakes in it are not looked at');
  place.write('tricorn.ini', '[options]\napp = twin.mjs\n');
  t.equal(await pathBy([]), b.path);
  place.write('tricorn.ini', '[options]\napp = third.mjs\n');
  t.match(await place.run(['stop']), { code: 5, stderr: /no running server serves .*third\.mjs; these run:\n {2}pid/ });
  t.match(await place.run(['stop', '-c', 'none.ini']), { code: 2, stderr: /none\.ini: no such file/ });
});

t.test('a pidfile leads to the socket that the file names only where that process serves it', async (t) => {
  const place = new Place(t);
  const { child, path } = await place.serve({ argv: [place.app, '--control-socket=own', '--pidfile=p'] });
  t.equal(path, join(place.folder, 'own'));
  t.match(await place.run(['status', '--pidfile=p']), { code: 5, stderr: /process \d+, .* has no control socket/ });
  place.write('tricorn.ini', '[options]\ncontrol_socket = own\n');
  t.match(await place.run(['status', '--path', '--pidfile=p']), { code: 0, stdout: `${path}\n` });
  t.match(await place.run(['status', '--path']), { code: 0, stdout: `${path}\n` });
  place.write('q', `${process.pid}\n`);
  t.match(await place.run(['stop', '--pidfile=q']), {
    code: 5,
    stderr: new RegExp(`names process ${process.pid}, but .*own .* is served by process ${child.pid}`),
  });
  place.write('q', 'what');
  t.match(await place.run(['stop', '--pidfile=q']), { code: 5, stderr: /is no pidfile/ });
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.match(await place.run(['stop', '--pidfile=p']), { code: 5, stderr: /names process \d+, which has ended/ });
  rmSync(join(place.folder, 'p'));
  t.match(await place.run(['stop', '--pidfile=p']), { code: 5, stderr: /there is no pidfile/ });
});

t.test('check compares with the server of that app, where one runs', async (t) => {
  const place = new Place(t);
  const check = ['check', place.app, '--evented'];
  const alone = await place.run(check);
  t.match(alone, { code: 0, stdout: /Check passed/ });
  t.notMatch(alone.stdout, /reload/);
  place.write('tricorn.ini', '[options]\nkeep_alive_timeout = 9\nhttp_port = 1\n');
  const { path } = await place.serve({ argv: [place.app, '--evented'] });
  t.match(await place.run(check), {
    code: 0,
    stdout: new RegExp(`\nThe server at ${path} runs with the same settings`),
  });
  symlinkSync('.', join(place.folder, 'current'));
  const linked = await place.run(['check', 'current/app.mjs', '--evented']);
  t.match(linked.stdout, /runs with the same settings/, 'the same release behind a link');
  place.write('tricorn.ini', '[options]\nkeep_alive_timeout = 10\nhttp_port = 2\n');
  t.match((await place.run(check)).stdout.split('\n').slice(-4), [
    `A reload of the server at ${path} would change:`,
    '  http_port: 1 -> 2 (tricorn.ini:3; restart; a reload keeps the old value)',
    '  keep_alive_timeout: 9 -> 10 (tricorn.ini:2; new workers)',
    '',
  ]);
  t.match(JSON.parse((await place.run([...check, '--json'])).stdout), {
    outcome: 'done',
    running: { socket: path, changes: [{ setting: 'http_port' }, { setting: 'keep_alive_timeout', to: 10 }] },
  });
  const broken = place.write('broken.mjs', 'throw new Error("oops")');
  const failed = await place.run(['check', broken, '--evented', '--json']);
  t.match({ code: failed.code, stderr: failed.stderr }, { code: 3, stderr: /oops.*TRC_APP_LOAD/s });
  t.match(JSON.parse(failed.stdout), { outcome: 'failed', error: { code: 'TRC_APP_LOAD' } });
});

t.test('a server that only serves loads nothing of the commands, nor of what answers them', async (t) => {
  const place = new Place(t);
  const args = [place.app, '--evented', '--http-interface=127.0.0.1', '--http-port=0'];
  const options = { cwd: place.folder, env: { RUNTIME_DIRECTORY: place.folder, NODE_DEBUG: 'esm' } };
  const server = new Tricorn(t, args, options);
  await server.line(/^Ready/);
  // Its workers say the same of themselves.
  const stored = new RegExp(`^ESM ${server.pid}: Storing (?:file:.*/src/(\\S+)\\.ts|(node:\\S+)) `, 'gm');
  const modules = Array.from(server.stderr.matchAll(stored), ([, file, builtin]) => file ?? builtin);
  t.ok(modules.includes('control/commands'), 'the names of the commands it knows');
  const others = ['cli', 'client', 'command-line', 'describe', 'locate', 'exchange', 'plan', 'show'];
  // Those of Node are asked for, not imported, for the sake of memory: src/builtins.ts.
  const builtins = ['node:http', 'node:fs', 'node:util', 'node:v8', 'node:perf_hooks'];
  for (const other of [...others.map((name) => `control/${name}`), ...builtins])
    t.notOk(modules.includes(other), other);
  t.ok(modules.includes('node:net'), 'imports of Node are seen');
  server.stderr = '';
});
