import type { Config } from '../config/config.ts';

/** The settings that the log depends on. */
export type LogConfig = Pick<Config, 'logfile' | 'log_level' | 'log_format'>;

/** Who writes: every line carries this. Absent numbers are left out of the line. */
export interface Identity {
  readonly role: 'supervisor' | 'http' | 'evented' | 'cron';
  readonly worker?: number;
  /** Absent in the main thread of a process: standard output is cared for there. */
  readonly thread?: number;
  readonly generation?: number;
}

/** Whether it is the event loop that says what is true of all of them: they run the same app. */
export function speaksForAll({ role, worker, thread = 0 }: Identity, { evented }: Pick<Config, 'evented'>): boolean {
  return role === (evented ? 'evented' : 'http') && worker === 1 && thread <= 1;
}

/** What the access log needs of a log: the destination for whole lines, and whether it takes them. */
export interface LineWriter {
  readonly level: LogConfig['log_level'];
  readonly identity: Identity;
  /** Writes one line as it is; the newline is added. */
  readonly write: (line: string) => void;
}

/** The fields at the head of every JSON line, in a fixed order so that a sorted file reads well. */
export function identityFields(identity: Identity): Record<string, string | number> {
  const { role, worker, thread, generation } = identity;
  return {
    pid: process.pid,
    role,
    ...(worker !== undefined && { worker }),
    ...(thread !== undefined && { thread }),
    ...(generation !== undefined && { generation }),
  };
}

/** The writer in a text line: `4711 supervisor`, `4711 worker 1.2`, `4711 cron 1`. */
export function identityLabel(fields: Readonly<Record<string, unknown>>): string {
  const { pid, role, worker, thread } = fields;
  const name = role === 'http' || role === undefined ? 'worker' : show(role);
  const numbers = worker === undefined ? '' : ` ${workerAndThread(worker, thread)}`;
  return `${show(pid)} ${name}${numbers}`;
}

/** `1.2`, or `1` where there are no threads. */
export function workerAndThread(worker: unknown, thread: unknown): string {
  return thread === undefined ? show(worker) : `${show(worker)}.${show(thread)}`;
}

/** Numbers as we wrote them; an app's logger may have put anything under these names. */
function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '-');
}
