/**
 * Pure: when an event loop has served long enough and is to be recycled. After Odoo's check_limits, gunicorn's
 * max_requests with jitter, and Puma's worker killer.
 */
import type { Config } from '../config/config.ts';
import type { Role } from '../protocol.ts';

/** Less than this and Node cannot start an app, MiB. */
const MIN_HEAP = 32;

export interface WearLimits {
  readonly requests: number;
  readonly ageMs: number;
  /** The setting that says so. */
  readonly ageSetting: 'limit_time_worker' | 'limit_time_worker_cron';
  /** Of the loop's own heap, external memory and array buffers together. */
  readonly bytes: number;
}

export interface WearFacts {
  readonly requests: number;
  readonly ageMs: number;
  readonly bytes: number;
}

/**
 * The limits of one loop, moved by the jitter so that those who started together do not go together.
 *
 * @param loops how many share the worker's memory
 * @param luck where in the range of the jitter it stands, 0 to 1
 */
export function wearLimits(config: Config, role: Role, loops: number, luck: number = Math.random()): WearLimits {
  const ageSetting = role === 'cron' ? 'limit_time_worker_cron' : 'limit_time_worker';
  const jitter = 1 + (luck * config.limit_request_jitter) / 100;
  return {
    requests: Math.round(off(config.limit_request) * jitter),
    ageMs: off(config[ageSetting]) * 1000 * jitter,
    ageSetting,
    bytes: loops > 1 ? off(config.limit_memory_soft) / loops : Infinity,
  };
}

/** The reason to recycle, for the log; undefined while there is none. */
export function wornBy(limits: WearLimits, { requests, ageMs, bytes }: WearFacts): string | undefined {
  if (requests >= limits.requests) return `limit_request: ${requests} requests`;
  if (ageMs >= limits.ageMs) return `${limits.ageSetting}: ${Math.round(ageMs / 1000)} s old`;
  if (bytes >= limits.bytes) return `limit_memory_soft: ${mib(bytes)} MiB in one thread`;
  return undefined;
}

/** What a thread's heap may have, MiB: its share of the hard limit. Undefined = no limit of its own. */
export function heapLimit({ limit_memory_hard, threads }: Config): number | undefined {
  if (limit_memory_hard === 0) return undefined;
  return Math.max(MIN_HEAP, Math.floor(limit_memory_hard / threads / 1024 / 1024));
}

/**
 * The reason to recycle a thread whose heap has another limit than it should: V8 takes it at the start of a thread alone. Another
 * number of threads is no reason: scaling leaves those that run as they are.
 *
 * @param begun the configuration with which it was started
 */
export function heapOutdated(begun: Config, now: Config): string | undefined {
  const [had, has] = [heapLimit(begun), heapLimit(now)];
  if (begun.limit_memory_hard === now.limit_memory_hard || had === has) return undefined;
  const shown = (limit: number | undefined): string => (limit === undefined ? 'none' : `${limit} MiB`);
  return `limit_memory_hard: the limit of its heap is to be ${shown(has)}, and is ${shown(had)}`;
}

export interface MemoryLimits {
  readonly soft: number;
  readonly hard: number;
}

export function memoryLimits(config: Config, role: Role): MemoryLimits {
  if (role !== 'evented') return { soft: off(config.limit_memory_soft), hard: off(config.limit_memory_hard) };
  return { soft: off(config.limit_memory_soft_evented), hard: off(config.limit_memory_hard_evented) };
}

/**
 * What the resident memory of a worker process calls for.
 *
 * @param inForce the hard limit at which it is killed: `limits.hard`, or the one before
 */
export function judgeMemory(
  limits: MemoryLimits,
  rss: number,
  inForce: number = limits.hard,
): { verdict: 'well' | 'recycle' | 'kill'; reason: string } {
  if (rss >= inForce) return { verdict: 'kill', reason: `limit_memory_hard: ${mib(rss)} MiB` };
  if (rss >= limits.hard)
    return { verdict: 'recycle', reason: `limit_memory_hard: ${mib(rss)} MiB, more than it may have now` };
  if (rss >= limits.soft) return { verdict: 'recycle', reason: `limit_memory_soft: ${mib(rss)} MiB` };
  return { verdict: 'well', reason: '' };
}

/** A limit that is lowered, live, below what a process has by then must not cost the requests it has in hand. */
export function hardLimitInForce(before: number, now: number, rss: number): number {
  return now < before && rss >= now ? before : now;
}

function off(limit: number): number {
  return limit === 0 ? Infinity : limit;
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
