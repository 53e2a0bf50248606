/**
 * The mode selector: reads flags and ini, instantiates one of the three servers, and runs the command on it. Commands
 * to a server that runs already are handed to src/control/cli.ts.
 */
import { isAbsolute } from 'node:path';
import { fs } from '../src/builtins.ts';
import type { CommonServer, ServerOptions } from '../src/common-server.ts';
import { commands, parseCommandLine } from '../src/config/command-line.ts';
import type { Config, LoadedConfig } from '../src/config/config.ts';
import { upgradeVariable } from '../src/config/environment.ts';
import { loadConfig } from '../src/config/load.ts';
import { controlCommandNamed } from '../src/control/commands.ts';
import { jobCommandNamed, jobCommands } from '../src/cron/commands.ts';
import { toWireError, type WireError } from '../src/errors.ts';
import { openSupervisorLog } from '../src/log/supervisor-log.ts';
import { listenAlone } from '../src/supervisor/signals.ts';

/** What main() needs of the process: injected, so that tests can hold it. */
export interface Io {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown };
  cwd(): string;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Check {
  readonly env: Environment;
  readonly io: Io;
  readonly json: boolean;
}

/** Runs the command line and resolves with the exit code; never throws. */
export async function main(argv: readonly string[], env: Environment, io: Io): Promise<number> {
  try {
    return await dispatch(argv, env, io);
  } catch (error) {
    const wire = toWireError(error);
    complain(io, wire);
    await tellWhoUpgrades(wire, env);
    return wire.exitCode;
  }
}

/** In an upgrade the process before waits for word of this one. The supervisor, where there is one, has taken that over. */
async function tellWhoUpgrades(error: WireError, { [upgradeVariable]: handover }: Environment): Promise<void> {
  if (handover !== undefined) (await import('../src/supervisor/predecessor.ts')).failTo(handover, error);
}

async function dispatch(argv: readonly string[], env: Environment, io: Io): Promise<number> {
  const { command, action, json } = parseCommandLine(argv, io.cwd());
  if (action === 'version') return print(io, `tricorn ${version()} (node ${process.version})\n`);
  // Loaded only when asked for: the supervisor's memory is a budget.
  const control = controlCommandNamed(command);
  if (control && control.startsApp !== true) {
    return (await import('../src/control/cli.ts')).runControl({ command: control, argv, env, io });
  }
  const jobs = jobCommandNamed(command);
  if (jobs) return (await import('../src/cron/cli.ts')).runJobCommand({ command: jobs, argv, env, io });
  if (action === 'help') return print(io, await help());
  const cwd = whereCalled(env, io.cwd());
  const load = (): LoadedConfig => loadConfig({ argv, env, cwd, stdoutIsTTY: io.stdout.isTTY === true });
  const loaded = load();
  if (action === 'print-config') return print(io, (await import('../src/config/help.ts')).renderPrintConfig(loaded));
  if (command === 'check') return check(loaded, { env, io, json });
  listenAlone();
  const sink = openSupervisorLog(loaded.config);
  const { log, setLevel: setLogLevel } = sink;
  const server = await selectMode(loaded, { log, reread: load, setLogLevel, select: selectMode });
  const code = await server.run();
  sink.close();
  if (server.failure && !isOnTerminal(loaded.config)) complain(io, server.failure);
  return code;
}

/** Boots the app without serving, and compares with a server that runs. */
async function check(loaded: LoadedConfig, { env, io, json }: Check): Promise<number> {
  const { config } = loaded;
  // The verdict is for who asked, not for the log of a service.
  const sink = openSupervisorLog({ ...config, logfile: '', ...(json ? { log_level: 'silent' } : {}) });
  const server = await selectMode(loaded, { log: sink.log, check: true });
  const code = await server.run();
  sink.close();
  const { failure } = server;
  if (failure && (json || !isOnTerminal({ ...config, logfile: '' }))) complain(io, failure);
  if (failure && !json) return code;
  const { reportCheck } = await import('../src/control/check.ts');
  io.stdout.write(await reportCheck(loaded, { env, json, failure }));
  return code;
}

/**
 * The working directory as the shell names it: where that is a symlink which a deploy swaps, a reload must follow it, while
 * process.cwd() names the folder that it led to at the start (unicorn does the same).
 */
function whereCalled({ PWD: named }: Environment, cwd: string): string {
  const [shell, actual] = [named, cwd].map((path) => path && fs.statSync(path, { throwIfNoEntry: false }));
  const same = shell && actual && shell.dev === actual.dev && shell.ino === actual.ino;
  return same && named !== undefined && isAbsolute(named) ? named : cwd;
}

/** Whoever started it looks at the terminal: why it failed must stand there, wherever the log goes, and if none is kept. */
function isOnTerminal({ logfile, log_level }: Config): boolean {
  return log_level !== 'silent' && logfile === '';
}

function complain(io: Io, { code, message, hint, stack }: WireError): void {
  io.stderr.write(`tricorn: ${[message, stack, hint].filter(Boolean).join('\n')} (${code})\n`);
}

/** One of the three, by the settings `evented` and `workers`; the other two are not even loaded. */
export async function selectMode(loaded: LoadedConfig, options: ServerOptions): Promise<CommonServer> {
  const { evented, workers } = loaded.config;
  if (evented) return new (await import('../src/modes/evented.ts')).EventedServer(loaded, options);
  if (workers > 0) return new (await import('../src/modes/prefork.ts')).PreforkServer(loaded, options);
  return new (await import('../src/modes/threaded.ts')).ThreadedServer(loaded, options);
}

async function help(): Promise<string> {
  const [{ renderHelp }, { controlUsages }, { signalHelp }] = await Promise.all([
    import('../src/config/help.ts'),
    import('../src/control/command-line.ts'),
    import('../src/supervisor/signals.ts'),
  ]);
  const jobUsages = jobCommands.map(({ usage: name, summary }) => ({ name, summary }));
  const entries = [...commands.slice(0, 1), ...controlUsages, ...jobUsages];
  return renderHelp(entries, { 'Signals to the supervisor': signalHelp() });
}

function version(): string {
  const ending = import.meta.filename.slice(-3);
  // bin/main.ts in the checkout, dist/bin/main.js in the package.
  const manifest = new URL(ending === '.ts' ? '../package.json' : '../../package.json', import.meta.url);
  return (JSON.parse(fs.readFileSync(manifest, 'utf8')) as { version: string }).version;
}

function print(io: Io, text: string): number {
  io.stdout.write(text);
  return 0;
}
