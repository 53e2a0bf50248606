import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { main, selectMode, type Io } from '../../bin/main.ts';
import { controlCommands } from '../../src/control/commands.ts';
import { jobCommands } from '../../src/cron/commands.ts';
import { load } from './config/support.ts';
import { recordLog, runModule } from './supervisor/support.ts';

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in a folder with an app. */
async function run(t: Test, argv: readonly string[], files: Record<string, string> = {}): Promise<Run> {
  const folder = t.testdir({ 'app.ts': '', ...files });
  const written = { stdout: '', stderr: '' };
  const io: Io = {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    cwd: () => folder,
  };
  return { code: await main(argv, {}, io), ...written };
}

t.test('--version', async (t) => {
  const manifest = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const said = { code: 0, stdout: `tricorn ${version} (node ${process.version})\n`, stderr: '' };
  t.same(await run(t, ['--version']), said);
  t.same(await run(t, ['-V', 'no.ts']), said, 'whatever else is given');
});

t.test('--help names every command, those about jobs too', async (t) => {
  const { stdout } = await run(t, ['--help']);
  for (const { usage, summary } of jobCommands) {
    t.ok(stdout.includes(`\n  ${usage} `), usage);
    t.ok(stdout.includes(`${summary}\n`), summary);
  }
  for (const { name } of controlCommands) t.match(stdout, new RegExp(`^  ${name}[ \n]`, 'm'));
});

t.test('--help names the settings and the signals', async (t) => {
  const { code, stdout, stderr } = await run(t, ['--help']);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  for (const part of ['--http-port', '--workers', 'Signals to the supervisor:', 'TTIN', 'USR1']) t.match(stdout, part);
});

t.test('--print-config shows what comes from where, and starts nothing', async (t) => {
  const files = { 'tricorn.ini': '[options]\nhttp_port = 8123\npidfile = p' };
  const { code, stdout, stderr } = await run(t, ['app.ts', '--print-config', '--workers=3'], files);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  t.match(stdout, /http_port\s*=\s*8123.*tricorn\.ini:2/);
  t.match(stdout, /workers\s*=\s*3.*--workers/);
  t.notOk(existsSync(join(t.testdirName, 'p')));
});

t.test('mistakes in the configuration: all at once on standard error, exit code 2', async (t) => {
  const { code, stdout, stderr } = await run(t, ['app.ts', '--workers=many', '--no-such-flag']);
  t.same({ code, stdout }, { code: 2, stdout: '' });
  t.match(stderr, /^tricorn: 2 mistakes in the configuration:\n/);
  t.match(stderr, '--workers=many');
  t.match(stderr, '--no-such-flag');
  t.match(stderr, /docs\/settings\.md .*\(TRC_CONFIG\)\n$/s, 'with what to do, and the code');
});

t.test('a log that cannot be opened is told on standard error, exit code 4', async (t) => {
  const { code, stderr } = await run(t, ['app.ts', '--logfile=none/log']);
  t.equal(code, 4);
  t.match(stderr, /^tricorn: logfile \S+none\/log: ENOENT.*\(TRC_LOGFILE\)\n$/s);
});

t.test('a fault of Tricorn itself is told with its stack, exit code 1', async (t) => {
  const stderr: string[] = [];
  const io: Io = {
    stdout: {
      write: () => {
        throw new TypeError('closed');
      },
    },
    stderr: { write: (text) => stderr.push(text) },
    cwd: () => '/',
  };
  t.equal(await main(['--version'], {}, io), 1);
  t.match(stderr.join(''), /TypeError: closed\n {4}at .*\(TRC_INTERNAL\)\n$/s);
});

t.test('the mode follows from evented and workers', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const { log } = recordLog();
  const modeOf = async (...argv: string[]): Promise<string> => {
    const server = await selectMode(load(folder, { argv: ['app.ts', ...argv] }), { log });
    return `${server.constructor.name} ${server.mode} ${server.state}`;
  };
  t.equal(await modeOf(), 'ThreadedServer threaded new');
  t.equal(await modeOf('--workers=0', '--threads=3'), 'ThreadedServer threaded new');
  t.equal(await modeOf('--workers=1'), 'PreforkServer prefork new');
  t.equal(await modeOf('--evented'), 'EventedServer evented new');
});

t.test('the other modes are not even loaded, nor what only a worker needs', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  for (const [flag, mode] of [
    ['--workers=1', 'prefork'],
    ['--threads=1', 'threaded'],
    ['--evented', 'evented'],
  ]) {
    const loaded = JSON.parse(await runModule(t, loadedBy(folder, flag ?? ''))) as string[];
    t.same(
      loaded.filter((url) => url.includes('/src/modes/')).map((url) => url.replace(/.*\/|\.ts$/g, '')),
      [mode],
    );
    t.same(
      loaded.filter((url) => /\/src\/(worker|app|http)\/|\/node_modules\/(pino|fastify)\//.test(url)),
      [],
      'the supervisor’s memory is a budget',
    );
  }
});

/** A module that selects a mode and prints the URLs of all modules that were loaded for it. */
function loadedBy(folder: string, flag: string): string {
  const href = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  return `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    const { selectMode } = await import(${href('../../bin/main.ts')});
    const { loadConfig } = await import(${href('../../src/config/load.ts')});
    const argv = ['app.ts', ${JSON.stringify(flag)}];
    const config = loadConfig({ argv, env: {}, cwd: ${JSON.stringify(folder)}, stdoutIsTTY: false });
    const line = () => {};
    await selectMode(config, { log: { trace: line, debug: line, info: line, warn: line, error: line, fatal: line } });
    console.log(JSON.stringify(loaded));`;
}
