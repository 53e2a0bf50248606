/** What USR1 and QUIT write to the log. Lives in the supervisor; the figures come from the workers. */
import { setTimeout as pass } from 'node:timers/promises';
import { residentBytes } from '../limits/resident.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { LoopStack, WorkerUsage } from '../protocol.ts';
import type { WorkerHandle } from './worker-handle.ts';

const MIB = 1024 * 1024;
const STACKS_MS = 1000;

export interface SupervisorFigures {
  /** The one that serves. */
  readonly generation: number;
  readonly uptimeMs: number;
  /** Worker processes that ended without an order. */
  readonly deaths: number;
  /** Routes that are refused now, since they have killed event loops. */
  readonly poison: readonly string[];
}

/** One line for the supervisor, and one for each event loop once it answers. */
export function logStatistics(log: Logger, workers: Iterable<WorkerHandle>, figures: SupervisorFigures): void {
  logSupervisorUsage(log, [...workers], figures);
  for (const handle of workers) void handle.askUsage().then((usage) => usage && logUsage(log, handle, usage));
}

/** One line for the supervisor, and one for each event loop, also where that is blocked. */
export function dumpStacks(log: Logger, workers: Iterable<WorkerHandle>): void {
  log.info({ stack: new Error('here').stack }, 'Stack of the supervisor');
  for (const handle of workers) void handle.askStacks().then((loops) => logStacks(log, handle, loops));
}

/** One line for each event loop of a worker, with the worker's RSS. */
function logUsage(log: Logger, handle: WorkerHandle, { rss, loops }: WorkerUsage): void {
  for (const loop of loops) {
    const { thread, requests, inflight, connections, waiting, refused, app, unhealthy } = loop;
    const figures = {
      worker: handle.number,
      thread,
      requests,
      inflight,
      connections,
      waiting,
      refused,
      utilisation: Number(loop.utilisation.toFixed(3)),
      delay_p50_ms: Number(loop.delayP50.toFixed(2)),
      delay_p99_ms: Number(loop.delayP99.toFixed(2)),
      heap_mib: toMib(loop.heap),
      rss_mib: toMib(rss),
      ...(app === null ? {} : { app }),
      ...(unhealthy === null ? {} : { unhealthy }),
    };
    log.info(figures, `Statistics of ${loopName(handle, thread)}`);
  }
}

/** The supervisor's own line. */
function logSupervisorUsage(
  log: Logger,
  handles: readonly WorkerHandle[],
  { uptimeMs, deaths, poison, generation }: SupervisorFigures,
): void {
  const states = Object.groupBy(handles, ({ state }) => state);
  const counts = Object.fromEntries(Object.entries(states).map(([state, some]) => [state, some.length]));
  const figures = {
    uptime_s: Math.round(uptimeMs / 1000),
    generation,
    rss_mib: toMib(residentBytes()),
    workers: counts,
    deaths,
    ...(poison.length === 0 ? {} : { poison }),
  };
  log.info(figures, 'Statistics of the supervisor');
}

function logStacks(log: Logger, handle: WorkerHandle, loops: readonly LoopStack[]): void {
  for (const loop of loops) {
    const { thread, request = '', requests = [] } = loop;
    const fields = { worker: handle.number, thread, ...(request && { request }), requests, stack: stackText(loop) };
    log.info(fields, `Stack of ${loopName(handle, thread)}`);
  }
}

function stackText({ frames, unknown }: LoopStack): string {
  return unknown ?? (frames.length === 0 ? 'idle: no JavaScript is running' : frames.join('\n'));
}

/** Where a worker that is late stands, and with what in flight, as far as it can tell within STACKS_MS. */
export async function whereItStands(handle: WorkerHandle): Promise<{ stack: string; requests: readonly string[] }> {
  const loops = await Promise.race([handle.askStacks(), pass(STACKS_MS, undefined, { ref: false })]);
  if (!loops) return { stack: `${handle.name} did not tell within ${STACKS_MS} ms where it stands`, requests: [] };
  const stack = loops.map((loop) => `${loopName(handle, loop.thread)}:\n${stackText(loop)}`).join('\n');
  return { stack, requests: loops.flatMap(({ requests = [] }) => requests) };
}

export function stopMessage(signal: string, ms: number): string {
  const seconds = Math.round(Math.max(0, ms) / 1000);
  return `${signal}: stopping; what is in flight may take ${seconds} s more; INT or TERM once more forces it`;
}

/** The last line of the log: it tells a stop from a kill. Of a failed first boot and of a check the last word has been said. */
export function logStopped(log: Logger, code: number, uptimeMs: number): void {
  log.info({ code }, `Stopped, having run for ${Math.round(uptimeMs / 1000)} s; exit code ${code}`);
}

function loopName(handle: WorkerHandle, thread: number): string {
  return thread === 0 ? handle.name : `${handle.name} thread ${thread}`;
}

function toMib(bytes: number): number {
  return Number((bytes / MIB).toFixed(1));
}
