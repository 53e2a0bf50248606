/** What the command says and how it ends, in whatever mode: its own flags, mistakes, and where settings come from. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { folderOf } from '../support/ini.ts';
import { fixture, modes, Tricorn, type StartOptions } from '../support/tricorn.ts';

const lab = fixture('lab.ts');
const BIN = fileURLToPath(new URL('../../bin/tricorn.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end, in the test's own folder. */
async function run(t: Test, args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  const tricorn = new Tricorn(t, args, { cwd: folderOf(t), ...options });
  const [code] = await tricorn.ended;
  const lines = [...tricorn.otherLines, ...tricorn.lines.map((line) => JSON.stringify(line))];
  return { code, stdout: lines.join('\n'), stderr: tricorn.stderr };
}

t.test('--help and --version answer on standard output', async (t) => {
  t.match(await run(t, ['--help']), { code: 0, stderr: /^$/, stdout: /^Usage: tricorn [\s\S]*--http-port=PORT/ });
  const version = { code: 0, stderr: /^$/, stdout: /^tricorn \d+\.\d+\.\d+ \(node v26\.\d+\.\d+\)$/ };
  for (const args of [['--version'], ['-V'], [lab, '--version']]) t.match(await run(t, args), version);
});

t.test('where standard output is closed, or nobody reads it, they end all the same', async (t) => {
  for (const args of [['--version'], ['--help'], ['--print-config', lab]]) {
    for (const shell of ['"$@" >&-', '"$@" >/dev/full', '{ "$@"; echo $? >&2; } | :']) {
      const command = ['-c', shell, 'sh', 'env', '-u', 'NODE_OPTIONS', process.execPath, BIN, ...args];
      const child = spawn('sh', command, { stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (chunk) => (stderr += String(chunk)));
      t.strictSame(await once(child, 'close'), [0, null], `${args[0]} with ${shell}`);
      t.equal(stderr.trim(), shell.includes('echo') ? '0' : '', 'and say nothing about it');
    }
  }
});

t.test('--print-config names every value and its source, and starts nothing', async (t) => {
  const ini = join(folderOf(t), 'tricorn.ini');
  writeFileSync(ini, '[options]\nbacklog = 100\nhttp_port = 1\nworkers = 3\n[app]\ntitle = shop\npassword = geheim\n');
  const env = { TRICORN_WORKERS: '4', TRICORN_HTTP_PORT: '2' };
  const { code, stdout, stderr } = await run(t, [lab, '--http-port=3', '--print-config'], { env });
  t.match([code, stderr], [0, '']);
  for (const line of [
    `app = ${lab} ; the command line`,
    'backlog = 100 ; tricorn.ini:2',
    'workers = 4 ; TRICORN_WORKERS',
    'http_port = 3 ; --http-port',
    'keep_alive_timeout = 72 ; default',
    'title = shop',
  ]) {
    t.ok(stdout.split('\n').includes(line), line);
  }
  t.notMatch(stdout, /geheim/);
});

t.test('without an app, or with one that is not there: exit code 2', async (t) => {
  t.match(await run(t, []), {
    code: 2,
    stdout: /^$/,
    stderr: /^tricorn: 1 mistake [\s\S]*app: missing.*tricorn app\.ts/,
  });
  t.match(await run(t, ['nowhere.ts']), { code: 2, stderr: /no such file: .*nowhere\.ts/ });
});

t.test('workers and evented together: exit code 2, and which is which', async (t) => {
  const ended = await run(t, [lab, '--workers=2', '--evented']);
  t.match(ended, { code: 2, stdout: /^$/, stderr: /--workers=2 and --evented: exclude each other; set workers = 0/ });
});

t.test('every mistake is told at once, on standard error, with exit code 2', async (t) => {
  const ini = ['[options]', 'http_prt = 1', 'workers = many', 'body_limit = 3MB', '[opt]', 'x = 1', '[options]', ''];
  writeFileSync(join(folderOf(t), 'broken.ini'), ini.join('\r\n'));
  const env = { TRICORN_HTTP_PROT: '1' };
  const { code, stdout, stderr } = await run(t, [lab, '-c', 'broken.ini', '--http-port=99999', '--wrokers=2'], { env });
  t.equal(code, 2);
  t.equal(stdout, '', 'nothing has started');
  t.match(stderr, /^tricorn: 8 mistakes in the configuration:\n/);
  for (const mistake of [
    /^broken\.ini:2 http_prt: unknown setting; did you mean http_port\?$/m,
    /^broken\.ini:3 workers = many: must be an integer/m,
    /^broken\.ini:4 body_limit = 3MB: must be a size/m,
    /^broken\.ini:5 \[opt\]: unknown section; did you mean \[app\]\?$/m,
    /^broken\.ini:7 \[options\]: duplicate section; the first is in line 1$/m,
    /^TRICORN_HTTP_PROT: unknown variable; did you mean TRICORN_HTTP_PORT\?$/m,
    /^--http-port=99999: must be an integer from 0 to 65535$/m,
    /^--wrokers: unknown flag; did you mean --workers\?$/m,
  ]) {
    t.match(stderr, mistake);
  }
});

t.test('port 0: the one that was found is printed, and served on', async (t) => {
  const server = new Tricorn(t, [lab, ...modes.evented, '--http-interface=127.0.0.1', '--http-port=0']);
  t.match((await server.line(/^Ready/)).msg, /on http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  t.equal((await get(`${server.url}/who`)).status, 200);
});

t.test('the old names of port and interface are taken, with a warning', async (t) => {
  writeFileSync(join(folderOf(t), 'tricorn.ini'), '[options]\nxmlrpc_interface = 127.0.0.1\n');
  const server = new Tricorn(t, [lab, ...modes.evented, '--xmlrpc-port=0'], { cwd: folderOf(t) });
  await server.line(/^Ready/);
  t.equal((await get(`${server.url}/who`)).status, 200);
  t.match(
    server.lines.filter(({ level }) => level === 40).map(({ msg }) => msg),
    [
      /^tricorn\.ini:2: xmlrpc_interface is the old name of http_interface/,
      /--xmlrpc-port is the old name of --http-port/,
    ],
  );
});

t.test('all settings can come from the environment', async (t) => {
  const env = {
    TRICORN_APP: lab,
    TRICORN_WORKERS: '2',
    TRICORN_HTTP_INTERFACE: '127.0.0.1',
    TRICORN_HTTP_PORT: '0',
    TRICORN_ACCESS_LOG: 'no',
    TRICORN_BODY_LIMIT: '2KiB',
    // What Kubernetes sets for a service of that name is nobody's mistake.
    TRICORN_PORT: 'tcp://10.0.0.7:80',
    TRICORN_SERVICE_HOST: '10.0.0.7',
  };
  const server = new Tricorn(t, [], { cwd: folderOf(t), env });
  t.match((await server.line(/^Ready/)).msg, /^Ready: prefork, 2 workers/);
  t.equal((await get(`${server.url}/who`)).status, 200);
  t.equal((await get(`${server.url}/who`, { headers: { 'content-length': '2049' } })).status, 413);
  server.kill('SIGTERM');
  t.strictSame(await server.ended, [0, null]);
  t.notOk(server.lines.some((line) => line['type'] === 'access' || line.level >= 40));
});

t.test('file < environment < flag', async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'other.ini'), '[options]\nhttp_interface = 127.0.0.1\nhttp_port = 1\nworkers = 7\n');
  const env = { TRICORN_CONFIG: 'other.ini', TRICORN_WORKERS: '2', TRICORN_HTTP_PORT: '2' };
  const server = new Tricorn(t, [lab, '--http-port=0'], { cwd: folder, env });
  t.match((await server.line(/^Ready/)).msg, /^Ready: prefork, 2 workers, handler on http:\/\/127\.0\.0\.1:\d{3,}$/);
});

t.test('a start that fails is told on the terminal, too, where there is a logfile', async (t) => {
  const logfile = join(folderOf(t), 'tricorn.log');
  const args = [fixture('throws-on-import.ts'), '--evented', '--http-port=0', `--logfile=${logfile}`];
  t.match(await run(t, args), {
    code: 3,
    stderr: /^tricorn: the app .* failed to load\n[^]*connectToNothing[^]*TRC_APP_LOAD/,
  });
});

t.test('check gives its verdict on standard output, also where there is a logfile', async (t) => {
  const args = ['check', lab, '--evented', `--logfile=${join(folderOf(t), 'tricorn.log')}`];
  t.match(await run(t, args), { code: 0, stdout: /Check passed/ });
});

t.test('a device is read neither as ini nor as pidfile', async (t) => {
  t.match(await run(t, [lab, '-c', '/dev/zero']), { code: 2, stderr: /--config=\/dev\/zero: is no regular file/ });
  const refused = await run(t, [lab, '--evented', '--http-port=0', '--pidfile=/dev/zero']);
  t.match(refused, { code: 4, stdout: /TRC_PIDFILE.*is no regular file/ });
});
