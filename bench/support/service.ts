/** A running server of one target. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, memory, processTree, sleeps, type Memory } from './proc.ts';
import type { Target } from './targets.ts';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const POLL_MS = 2;

/** Every process that was started here and not ended yet, also one whose start is not through. */
const running = new Set<ChildProcess>();

export class Service {
  readonly target: Target;
  readonly url: string;
  /** From the start of the process to the first 200, milliseconds. */
  readonly startMs: number;
  readonly #child: ChildProcess;
  readonly #output: string;
  readonly #pids: readonly number[];

  private constructor(target: Target, child: ChildProcess, output: string, url: string, startMs: number) {
    this.target = target;
    this.url = url;
    this.startMs = startMs;
    this.#child = child;
    this.#output = output;
    // The tree stays as it is: nothing here makes a worker end.
    this.#pids = processTree(pidOf(child));
  }

  /** Resolves after the first 200. @param dir where its output goes, a file: what it logs per request, too */
  static async start(target: Target, dir: string): Promise<Service> {
    const output = join(dir, `${target.name}.log`);
    const fd = openSync(output, 'a');
    truncateSync(output);
    const begun = performance.now();
    const child = spawn(process.execPath, target.args, { cwd: dir, env: cleanEnvironment(), stdio: ['ignore', fd, 2] });
    closeSync(fd);
    running.add(child);
    try {
      const url = await readyUrl(child, output, target);
      await expect200(url);
      return new Service(target, child, output, url, performance.now() - begun);
    } catch (error) {
      killTree(child);
      throw error;
    }
  }

  /** Of the whole tree since it started. */
  cpuSeconds(): number {
    return cpuSeconds(this.#pids);
  }

  /** Of the whole tree since it started. */
  sleeps(): number {
    return sleeps(this.#pids);
  }

  /** The process that was started first, then the others. */
  memory(): readonly Memory[] {
    return this.#pids.map(memory);
  }

  /** An access log fills the disk otherwise. */
  dropOutput(): void {
    truncateSync(this.#output);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    const late = setTimeout(() => killTree(this.#child), STOP_LIMIT_MS);
    this.#child.kill('SIGTERM');
    await ended;
    clearTimeout(late);
    running.delete(this.#child);
  }
}

/** For an interrupted benchmark: nothing that it started lives on. */
export function killAllServices(): void {
  for (const child of running) killTree(child);
}

function killTree(child: ChildProcess): void {
  running.delete(child);
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  for (const pid of processTree(child.pid)) killQuietly(pid);
}

/** Settings of Tricorn, of Node and of Fastify's environment would reach only some of the targets. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([key]) => !/^(TRICORN_|NODE_|FASTIFY_)/.test(key));
  return Object.fromEntries(kept);
}

async function readyUrl(child: ChildProcess, output: string, { name }: Target): Promise<string> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline) {
    const head = readFileSync(output, 'utf8');
    const url = /Ready.* on (http:\/\/[\d.:]+)/.exec(head)?.[1];
    if (url !== undefined) return url;
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}:\n${head}`);
    await sleep(POLL_MS);
  }
  throw new Error(`${name} was not ready within ${START_LIMIT_MS / 1000} s`);
}

async function expect200(url: string): Promise<void> {
  const request = http.get(url, { agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the process could not be started');
  return child.pid;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
