/** What the tests of the supervisor share: a log that is read, a boot message, and worker processes that obey a test. */
import { spawn } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';
import { withoutHooks } from '../../support/installed-package.ts';
import type { Config } from '../../../src/config/config.ts';
import type { Logger, LogMethod } from '../../../src/log/logger.ts';
import type { WorkerBoot } from '../../../src/protocol.ts';
import type { WorkerHandle } from '../../../src/supervisor/worker-handle.ts';
import { load } from '../config/support.ts';
import type { Order } from './obedient-worker.ts';

/** A line of the log: its fields, its level and its message. */
export type Line = Readonly<Record<string, unknown>>;

export interface RecordedLog {
  readonly log: Logger;
  readonly lines: Line[];
}

export function recordLog(): RecordedLog {
  const lines: Line[] = [];
  const method = (level: string): LogMethod => {
    return (first: string | object, message?: string) => {
      lines.push(typeof first === 'string' ? { level, message: first } : { level, ...first, message });
    };
  };
  const log: Logger = {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal: method('fatal'),
  };
  return { log, lines };
}

/** The configuration that flags make of the defaults, with an app that is empty where none is given. */
export function configOf(t: Test, ...argv: string[]): Config {
  return load(t.testdir({ 'app.ts': '' }), { argv: ['app.ts', ...argv] }).config;
}

export function bootOf(config: Config, boot: Partial<WorkerBoot> = {}): WorkerBoot {
  return {
    type: 'boot',
    config,
    appOptions: {},
    explicit: [],
    role: 'http',
    worker: 1,
    threads: 0,
    generation: 1,
    address: null,
    listeners: [],
    ...boot,
  };
}

/** Forks test/unit/supervisor/obedient-worker.ts as spawnWorker forks a worker. It is ended with the test. */
export function forkObedient(t: Test, settings: cluster.ClusterSettings = {}): Worker {
  cluster.setupPrimary({
    exec: join(import.meta.dirname, 'obedient-worker.ts'),
    execArgv: process.execArgv,
    args: [],
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', 'pipe'],
    ...settings,
  });
  const worker = cluster.fork();
  // cluster remembers its settings: the next fork begins with none of this one's.
  for (const key of Object.keys(settings)) delete cluster.settings[key as keyof cluster.ClusterSettings];
  t.teardown(() => endOf(worker));
  return worker;
}

async function endOf(worker: Worker): Promise<void> {
  if (worker.isDead() || worker.process.pid === undefined) return;
  const ended = once(worker, 'exit');
  worker.process.kill('SIGKILL');
  await ended;
}

export function order(worker: Worker, given: Order): void {
  worker.send(given);
}

/** Resolves when the handle enters that state; at once where it is in it. */
export async function entered(handle: WorkerHandle, state: WorkerHandle['state']): Promise<void> {
  while (handle.state !== state) await once(handle, 'state');
}

/** Runs a module in a process of its own, without tap's hooks, and resolves with what it printed. */
export async function runModule(t: Test, script: string): Promise<string> {
  const args = withoutHooks(process.execPath, ['--input-type=module', '--eval', script]);
  const child = spawn('env', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  await once(child, 'close');
  return output;
}

/** The import specifier of a source, as a literal: `import(${source('worker/stacks.ts')})`. */
export function source(path: string): string {
  return JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
}
