import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { explicit, loadConfig } from '../../../src/config/load.ts';
import { TricornError } from '../../../src/errors.ts';
import { load, mistakes, mistakesOf, withIni } from './support.ts';

t.test('precedence: default < file < environment < flag', async (t) => {
  const folder = withIni(t, '[options]\nhttp_port = 1\nworkers = 1\nbacklog = 1');
  const env = { TRICORN_HTTP_PORT: '2', TRICORN_WORKERS: '2' };
  const loaded = load(folder, { argv: ['app.ts', '-p', '3'], env });
  t.match(loaded.config, { http_port: 3, workers: 2, backlog: 1, graceful_timeout: 30 });
  t.match(loaded.origins, {
    app: { origin: 'flag', place: 'the command line' },
    http_port: { origin: 'flag', place: '-p' },
    workers: { origin: 'environment', place: 'TRICORN_WORKERS' },
    backlog: { origin: 'file', place: 'tricorn.ini:4' },
    graceful_timeout: { origin: 'default', place: 'default' },
  });
  t.same(loaded.overridden, [
    { setting: 'http_port', place: 'tricorn.ini:2', by: '-p' },
    { setting: 'workers', place: 'tricorn.ini:3', by: 'TRICORN_WORKERS' },
  ]);
  t.equal(explicit(loaded, 'backlog'), true);
  t.equal(explicit(loaded, 'graceful_timeout'), false);
});

t.test('precedence holds for any choice of sources', async (t) => {
  const folder = t.testdir({ 'app.ts': '', 'x.ini': '[options]\nbacklog = 1' });
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.boolean(), (inFile, inEnvironment, inFlag) => {
      const argv = ['app.ts', ...(inFile ? ['-c', 'x.ini'] : []), ...(inFlag ? ['--backlog=3'] : [])];
      const { config } = load(folder, { argv, env: inEnvironment ? { TRICORN_BACKLOG: '2' } : {} });
      return config.backlog === (inFlag ? 3 : inEnvironment ? 2 : inFile ? 1 : 511);
    }),
  );
});

t.test('the result is frozen throughout', async (t) => {
  const loaded = load(withIni(t, '[app.db]\nhost = h'), { argv: ['app.ts'] });
  const { config, app_options, origins, warnings } = loaded;
  for (const part of [
    loaded,
    config,
    config.proxy_trust,
    app_options,
    app_options['db'],
    origins,
    origins.app,
    warnings,
  ]) {
    t.ok(Object.isFrozen(part));
  }
  t.same(app_options, { db: { host: 'h' } });
});

t.test('every mistake at once, each with its place, the value, what is allowed, and the nearest name', async (t) => {
  const ini = [
    '[options]',
    'http_prot = 8080',
    'http_port = 99999',
    'log_level = warning',
    'log_format',
    'backlog = 1',
    'backlog = 2',
    'boot_timeout = soon',
    '[options]',
    '[zoo]',
  ];
  const argv = ['app.ts', '--workers=x', '--theads=4', '--workers=2'];
  t.same(mistakesOf(t, ini, { argv, env: { TRICORN_HTTP_PORT: 'abc', TRICORN_BODY_LIMIT: '1MB' } }), [
    'tricorn.ini:2 http_prot: unknown setting; did you mean http_port?',
    'tricorn.ini:3 http_port = 99999: must be an integer from 0 to 65535',
    'tricorn.ini:4 log_level = warning: must be one of fatal, error, warn, info, debug, trace, silent; did you mean warn?',
    'tricorn.ini:5 log_format: must be one of text, json',
    'tricorn.ini:7 backlog: duplicate key; the first is in line 6',
    'tricorn.ini:8 boot_timeout = soon: must be a duration from 0.01 to 86400 seconds, such as 90, 1.5, 500ms, 30s, 2m or 1h',
    'tricorn.ini:9 [options]: duplicate section; the first is in line 1',
    'tricorn.ini:10 [zoo]: unknown section; allowed are [options], [app] and [app.…]',
    'TRICORN_HTTP_PORT = abc: must be an integer from 0 to 65535',
    'TRICORN_BODY_LIMIT = 1MB: must be a size of at least 0 bytes, such as 65536, 512KiB, 1MiB or 2GiB',
    '--theads: unknown flag; did you mean --threads?',
    '--workers=x: must be an integer from 0 to 1024, or auto',
  ]);
});

t.test('a mistake ends with exit code 2', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  t.throws(() => load(folder, { argv: ['app.ts', '--backlog=0'] }), {
    code: 'TRC_CONFIG',
    exitCode: 2,
    message: '1 mistake in the configuration:\n--backlog=0: must be an integer from 1 to 65535',
  });
  t.throws(() => load(folder), TricornError);
});

t.test('the file: --config, else TRICORN_CONFIG, else tricorn.ini in the working directory', async (t) => {
  const port = (n: number): string => `[options]\nhttp_port = ${n}`;
  const folder = t.testdir({ 'app.ts': '', 'tricorn.ini': port(1), 'env.ini': port(2), sub: { 'flag.ini': port(3) } });
  const env = { TRICORN_CONFIG: 'env.ini' };
  t.equal(load(folder, { argv: ['app.ts'] }).config.http_port, 1);
  t.equal(load(folder, { argv: ['app.ts'], env }).config.http_port, 2);
  const { config, origins } = load(folder, { argv: ['app.ts', '-c', 'sub/flag.ini'], env });
  t.equal(config.http_port, 3);
  t.equal(origins.http_port.place, 'sub/flag.ini:2');
});

t.test('a file that is named and missing, unreadable or not UTF-8 is a mistake', async (t) => {
  const folder = t.testdir({ 'app.ts': '', 'latin.ini': Buffer.from([0x5b, 0xe9]), folder: {} });
  const of = (file: string): string[] => mistakes(folder, { argv: ['-c', file] });
  t.same(of('no.ini'), [`--config=no.ini: no such file: ${folder}/no.ini`], 'and not that the app is missing, too');
  t.same(of('folder'), [`--config=folder: is a folder, not a file: ${folder}/folder`]);
  t.same(of('latin.ini'), ['latin.ini:1 not UTF-8; save the file in that encoding']);
  t.same(mistakes(folder, { env: { TRICORN_CONFIG: 'no.ini' } }), [
    `TRICORN_CONFIG = no.ini: no such file: ${folder}/no.ini`,
  ]);
});

t.test('relative paths: from the file, of its folder; else of the working directory', async (t) => {
  const folder = t.testdir({
    conf: { 'x.ini': '[options]\napp = ../app.ts\npidfile = p\nlogfile = /abs/l' },
    'app.ts': '',
    'b.ts': '',
  });
  t.match(load(folder, { argv: ['-c', 'conf/x.ini'] }).config, {
    app: join(folder, 'app.ts'),
    pidfile: join(folder, 'conf/p'),
    logfile: '/abs/l',
  });
  const env = { TRICORN_PIDFILE: 'p' };
  t.match(load(folder, { argv: ['b.ts', '-c', 'conf/x.ini', '--logfile='], env }).config, {
    app: join(folder, 'b.ts'),
    pidfile: join(folder, 'p'),
    logfile: '',
  });
});

t.test('the app must be an existing file of a kind that Node runs', async (t) => {
  const content = { 'a.ts': '', 'a.mts': '', 'a.js': '', 'a.mjs': '', 'a.cjs': '', 'a.py': '', 'dir.ts': {} };
  const folder = t.testdir(content);
  for (const app of ['a.ts', 'a.mts', 'a.js', 'a.mjs', 'a.cjs']) {
    t.equal(load(folder, { argv: [app] }).config.app, join(folder, app));
  }
  const of = (...argv: string[]): string[] => mistakes(folder, { argv });
  t.same(of('a.py'), ['a.py: must end in one of .ts, .mts, .js, .mjs, .cjs']);
  t.same(of('no.ts'), [`no.ts: no such file: ${folder}/no.ts`]);
  t.same(of('dir.ts'), [`dir.ts: is no file: ${folder}/dir.ts`]);
  t.same(of('a.ts', '--test-file=no.ts'), [`--test-file=no.ts: no such file: ${folder}/no.ts`]);
  t.match(of(`${'x'.repeat(300)}.ts`), [/cannot be read: ENAMETOOLONG/]);
  const missing = 'app: missing; give it as argument (tricorn app.ts), or as app under [options] in tricorn.ini';
  t.same(of(), [missing]);
  t.equal(load(folder, { needsApp: false }).config.app, '');
  t.equal(load(folder, { argv: ['--print-config'] }).config.app, '');
});

t.test('workers together with evented is a mistake that names both places', async (t) => {
  t.same(mistakesOf(t, ['[options]', 'workers = 4'], { argv: ['app.ts', '--evented'] }), [
    'tricorn.ini:2 workers = 4 and --evented: exclude each other; set workers = 0 for the evented mode, evented = false for prefork',
  ]);
  t.same(mistakesOf(t, ['[options]', 'workers = 4'], { argv: ['app.ts', '--evented', '-w0'] }), []);
  t.same(mistakesOf(t, ['[options]', 'evented'], { argv: ['app.ts', '--no-evented', '-w4'] }), []);
});

t.test('what has no effect brings a warning', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const warnings = (...argv: string[]): readonly string[] => load(folder, { argv: ['app.ts', ...argv] }).warnings;
  t.same(warnings('--threads=2', '-w1'), ['--threads: threads is not used: prefork workers have no threads']);
  t.same(warnings('--threads=2', '--evented'), ['--threads: threads is not used: the evented mode has one event loop']);
  t.same(warnings('--proxy-trust=::1'), ['--proxy-trust: proxy_trust is not used: proxy_mode is off']);
  t.same(warnings('--proxy-trust=::1', '--proxy-mode', '--threads=2'), []);
  t.same(warnings('-w1'), []);
});

t.test('old names', async (t) => {
  const folder = withIni(t, '[options]\nxmlrpc_port = 80\nxmlrpc_interface = ::1');
  const { config, warnings } = load(folder, { argv: ['app.ts'] });
  t.match(config, { http_port: 80, http_interface: '::1' });
  t.same(warnings, [
    'tricorn.ini:2: xmlrpc_port is the old name of http_port',
    'tricorn.ini:3: xmlrpc_interface is the old name of http_interface',
  ]);
});

t.test('defaults that depend on others', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const config = (stdoutIsTTY: boolean, ...argv: string[]) =>
    load(folder, { argv: ['app.ts', ...argv], stdoutIsTTY }).config;
  t.equal(config(true).log_format, 'text');
  t.equal(config(false).log_format, 'json');
  t.equal(config(true, '--logfile=l').log_format, 'json');
  t.equal(config(true, '--logfile=l', '--log-format=text').log_format, 'text');
  t.equal(config(true, '--request-timeout=10').headers_timeout, 10, 'node refuses more than request_timeout');
  t.equal(config(true, '--request-timeout=0').headers_timeout, 60);
  t.match(config(true, '--workers=auto'), { workers: 8, threads: 8 });
});

t.test('headers_timeout may not exceed request_timeout', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  t.same(mistakes(folder, { argv: ['app.ts', '--headers-timeout=20', '--request-timeout=10s'] }), [
    '--headers-timeout=20: must not exceed request_timeout, 10 seconds (--request-timeout)',
  ]);
  t.same(mistakes(folder, { argv: ['app.ts', '--headers-timeout=301'] }), [
    '--headers-timeout=301: must not exceed request_timeout, 300 seconds (default)',
  ]);
  t.same(mistakes(folder, { argv: ['app.ts', '--headers-timeout=301', '--request-timeout=0'] }), []);
});

t.test('health_port is none of the ports that workers serve', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  t.same(mistakes(folder, { argv: ['app.ts', '--health-port=8069'] }), [
    '--health-port=8069: must not be http_port; take another one',
  ]);
  t.same(mistakes(folder, { argv: ['app.ts', '--evented-port=8070', '--health-port=8070'] }), [
    '--health-port=8070: must not be evented_port; take another one',
  ]);
  t.same(mistakes(folder, { argv: ['app.ts', '--http-port=0', '--health-port=0'] }), [], '0 = none');
  t.same(mistakes(folder, { argv: ['app.ts', '--no-http', '--health-port=8069'] }), []);
});

t.test('booleans in every source', async (t) => {
  const spellings = ['true', 'YES', 'On', '1'];
  for (const yes of spellings) {
    const folder = withIni(t, `[options]\nproxy_mode = ${yes}`);
    t.match(load(folder, { argv: ['app.ts'], env: { TRICORN_EVENTED: yes } }).config, {
      proxy_mode: true,
      evented: true,
    });
  }
  t.match(load(withIni(t, '[options]\nevented\naccess_log = off'), { argv: ['app.ts'] }).config, {
    evented: true,
    access_log: false,
  });
});

t.test('hosts, lists, paths, and what Kubernetes sets', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const of = (input: { argv?: string[]; env?: Record<string, string> }): string[] =>
    mistakes(folder, { ...input, argv: ['app.ts', ...(input.argv ?? [])] });
  t.same(of({ argv: ['--http-interface=0.0.0.0:80'] }), [
    '--http-interface=0.0.0.0:80: must be an IPv4 or IPv6 address, a host name or none',
  ]);
  t.same(of({ argv: ['--http-interface=::1', '--proxy-mode', '--proxy-trust=10.0.0.0/8,loopback'] }), []);
  t.match(of({ argv: ['--proxy-trust=all'] }), [/^--proxy-trust=all: must be addresses, CIDR ranges/]);
  t.match(of({ env: { TRICORN_HTTP_PORT: 'tcp://10.0.0.1:80' } }), [/enableServiceLinks: false/]);
  t.match(mistakesOf(t, ['[options]', String.raw`pidfile = "a\u0000b"`]), [/must be a path$/]);
});

t.test('any garbage is a value or a mistake, but never another error', async (t: Test) => {
  const folder = t.testdir({ 'app.ts': '' });
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, text, (a, b, c) => {
      const argv = ['app.ts', `--workers=${a}`, `--proxy-trust=${b}`, `--logfile=${c}`];
      const lines = mistakes(folder, { argv, env: { TRICORN_BODY_LIMIT: a, TRICORN_BOOT_TIMEOUT: b } });
      return lines.every((line) => /^(--|TRICORN_)[^\n]*: must be /.test(line));
    }),
  );
});

t.test('nothing but the input is asked: parallelism has the only default of its own', async (t) => {
  const cwd = t.testdir({ 'app.ts': '' });
  const { config } = loadConfig({ argv: ['app.ts'], env: {}, cwd, stdoutIsTTY: false });
  t.ok(config.threads >= 1);
});

t.test('a test_file needs the server', async (t) => {
  const folder = t.testdir({ 'app.ts': '', 'smoke.test.ts': '' });
  const argv = ['app.ts', '--test-file=smoke.test.ts'];
  t.match(mistakes(folder, { argv: [...argv, '--no-http'] }), [/^--test-file=.*http_enable = false/]);
  t.equal(load(folder, { argv }).config.test_file, join(folder, 'smoke.test.ts'));
});
