/** Starts the real command, and waits for what it logs and how it ends: for events, never for time. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

export type Mode = 'threaded' | 'prefork' | 'evented';

export const modes: Readonly<Record<Mode, readonly string[]>> = {
  threaded: ['--threads=2'],
  prefork: ['--workers=2'],
  evented: ['--evented'],
};

/** How many loops serve the app with the flags of `modes`. */
export const loops: Readonly<Record<Mode, number>> = { threaded: 2, prefork: 2, evented: 1 };

const BIN = fileURLToPath(new URL('../../bin/tricorn.js', import.meta.url));

// Hundreds of servers are started from the same sources: compiled once, their start takes a third less CPU.
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));

/** Where the control sockets of this process's servers are: never where those of real ones may be. */
const RUNTIME = mkdtempSync(join(tmpdir(), 'tricorn-run-'));
process.on('exit', () => rmSync(RUNTIME, { recursive: true, force: true }));

/** A test that ends before its teardown, by a time-out or an error of its own, must leave no server behind. */
const running = new Set<Tricorn>();
let isEnding = false;
// By SIGALRM tap tells a file that its time is over.
for (const end of ['exit', 'SIGTERM', 'SIGALRM'] as const) {
  process.on(end, () => {
    isEnding = true;
    running.forEach((tricorn) => tricorn.killAll());
  });
}

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/apps/${name}`, import.meta.url));
}

/** A line of the log, as JSON has it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly pid: number;
  readonly worker?: number;
  readonly thread?: number;
  readonly stack?: string;
  readonly [field: string]: unknown;
}

/** How a command ended. */
export interface Answered {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Match = RegExp | ((line: LogLine) => boolean);

export interface Passed {
  readonly fds: readonly number[];
  readonly names?: string;
  /** Default: the right one. */
  readonly listenPid?: number;
}

export interface StartOptions {
  /** Node itself. Default: the one that runs the test. */
  readonly node?: string;
  /** What is run instead of the command. */
  readonly program?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** In a process group of its own, to send it what a terminal would. */
  readonly detached?: boolean;
  /** Listening sockets, passed as systemd does: numbers of descriptors of ours, and the variables. */
  readonly passed?: Passed;
  /** As process 1, as in a container; `child` is unshare(1) then. */
  readonly inOwnPidNamespace?: boolean;
  /** So many descriptors may each of its processes have. */
  readonly descriptors?: number;
  /** Flags of node, for the supervisor and its workers. */
  readonly execArgv?: readonly string[];
}

export class Tricorn extends EventEmitter<{ line: [LogLine] }> {
  readonly child: ChildProcess;
  readonly lines: LogLine[] = [];
  /** Lines of standard output that are no JSON. */
  readonly otherLines: string[] = [];
  stderr = '';
  /** Exit code and signal, once every process that has its standard output is gone, too. */
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
  /** The same of the first process alone: others may have taken its place. */
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  /** Those that were started to take its place, by an upgrade. */
  readonly successors: number[] = [];
  #isOver = false;
  #isUnwanted = false;

  /** `env -u`: tap puts its module hooks into every child's NODE_OPTIONS; a user's server has none. */
  constructor(t: Test, args: readonly string[], options: StartOptions = {}) {
    super();
    // After a SIGTERM the tests that are left still run, to their end.
    if (isEnding) throw new Error('the tests were told to end');
    const {
      node: binary = process.execPath,
      program = BIN,
      cwd,
      env,
      detached = false,
      passed,
      descriptors,
      execArgv = [],
      inOwnPidNamespace,
    } = options;
    const node = [binary, '--conditions=tricorn-source', ...execArgv, program, ...args];
    const preparing = [...activation(passed), ...(descriptors ? [`ulimit -n ${descriptors}`] : [])];
    const contained = inOwnPidNamespace
      ? ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc']
      : [];
    const [file, ...rest] = prepared(preparing, ['env', '-u', 'NODE_OPTIONS', ...contained, ...node]);
    this.child = spawn(file, rest, {
      cwd,
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, RUNTIME_DIRECTORY: RUNTIME, ...process.env, ...env },
      detached,
      stdio: ['ignore', 'pipe', 'pipe', ...(passed?.fds ?? [])],
    });
    running.add(this);
    this.exited = once(this.child, 'exit') as typeof this.exited;
    this.ended = once(this.child, 'close') as typeof this.ended;
    this.child.once('close', () => {
      this.#isOver = true;
      running.delete(this);
    });
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.#onLine(line));
    t.teardown(async () => {
      if (!t.passing())
        t.comment([...this.lines.slice(-40).map((line) => JSON.stringify(line).slice(0, 400)), this.stderr].join('\n'));
      this.killAll();
      await this.ended;
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Where it serves; it must be ready. */
  get url(): string {
    const ready = this.lines.find(({ msg }) => msg.startsWith('Ready'));
    return /http:\/\/\S+/.exec(ready?.msg ?? '')?.[0] ?? '';
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Whoever serves, was to serve, or is about to. */
  killAll(): void {
    this.#isUnwanted = true;
    this.child.kill('SIGKILL');
    // Once all are gone, their pids may be others'.
    if (!this.#isOver) this.successors.forEach(endNow);
  }

  /** Resolves with the first line that matches, also if it has come already; rejects when the server ends first. */
  line(match: Match): Promise<LogLine> {
    return this.count(match, 1);
  }

  /** Resolves with the `count`-th line that matches. */
  async count(match: Match, count: number): Promise<LogLine> {
    const matches = match instanceof RegExp ? ({ msg }: LogLine) => match.test(msg) : match;
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>();
    let seen = 0;
    const look = (line: LogLine): void => {
      if (matches(line) && (seen += 1) === count) resolve(line);
    };
    this.lines.forEach(look);
    this.on('line', look);
    void this.ended.then(() => reject(new Error(`it ended before line ${count} of ${String(match)}`)));
    return promise.finally(() => this.off('line', look));
  }

  /** Runs a command that talks to it, such as `reload`, to its end. */
  control(...args: readonly string[]): Promise<Answered> {
    const socket = `--control-socket=${join(RUNTIME, `${this.pid}.sock`)}`;
    const command = ['-u', 'NODE_OPTIONS', process.execPath, '--conditions=tricorn-source', BIN, ...args, socket];
    const { promise, resolve } = Promise.withResolvers<Answered>();
    execFile('env', command, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
    return promise;
  }

  /** The worker processes that live now. */
  workers(): number[] {
    return childrenOf(this.pid);
  }

  #onSuccessor(pid: number): void {
    this.successors.push(pid);
    if (this.#isUnwanted) endNow(pid);
  }

  #onLine(text: string): void {
    try {
      const line = JSON.parse(text) as LogLine;
      this.lines.push(line);
      if (/^Upgrade: process \d+ starts/.test(line.msg)) this.#onSuccessor(Number(line['successor']));
      this.emit('line', line);
    } catch {
      this.otherLines.push(text);
    }
  }
}

/** One that has gone meanwhile is no mistake. */
function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH.
  }
}

type Command = readonly [string, ...string[]];

/** The command, begun by a shell that prepares something and then becomes it. */
function prepared(preparing: readonly string[], command: Command): Command {
  return preparing.length === 0 ? command : ['sh', '-c', [...preparing, 'exec "$0" "$@"'].join('; '), ...command];
}

/** Only the process itself knows the pid that it has. */
function activation(passed: Passed | undefined): string[] {
  if (!passed) return [];
  const { fds, names, listenPid = '$$' } = passed;
  const named = names === undefined ? '' : ` LISTEN_FDNAMES=${names}`;
  return [`export LISTEN_FDS=${fds.length} LISTEN_PID=${listenPid}${named}`];
}

/** Starts it on a free port of the loopback and waits until it is ready. */
export async function startTricorn(
  t: Test,
  app: string,
  flags: readonly string[],
  options?: StartOptions,
): Promise<Tricorn> {
  const tricorn = new Tricorn(t, [app, '--http-interface=127.0.0.1', '--http-port=0', ...flags], options);
  await tricorn.line(/^Ready/);
  return tricorn;
}

/** Pids of the living children of a process; a zombie does not count. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      const { parent, state } = statusOf(candidate);
      return parent === pid && state !== 'Z';
    });
}

/** State letter and parent of a process; state '' where there is none. */
export function statusOf(pid: number): { state: string; parent: number } {
  try {
    // The name, in brackets, may hold anything: what counts comes after the last one.
    const [state = '', parent] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return { state: '', parent: 0 };
  }
}

/** Resolves when the process is gone: polls, for the kernel tells only a parent. */
export async function gone(pid: number): Promise<void> {
  while (!isGone(pid)) await new Promise((resolve) => setImmediate(resolve));
}

/** A zombie holds nothing any more, once its last thread has ended. */
function isGone(pid: number): boolean {
  const { state } = statusOf(pid);
  if (state !== 'Z') return state === '';
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch {
    return true;
  }
}
