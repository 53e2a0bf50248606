/** What Linux tells about a tree of processes, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports CPU time in ticks of 10 ms, on every machine (USER_HZ). */
const TICKS_PER_SECOND = 100;
const BYTES_PER_KB = 1024;

export interface Memory {
  /** Bytes. Pages that several processes share are counted in each of them. */
  readonly rss: number;
  /** Bytes. Shared pages are divided among those who share them, so a sum over processes is right. */
  readonly pss: number;
}

/** The process and all its descendants, itself first. */
export function processTree(pid: number): number[] {
  return [pid, ...children(pid).flatMap(processTree)];
}

/** Of every thread of each of the processes, user and system together. A process that has ended counts nothing. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuTicks(pid), 0) / TICKS_PER_SECOND;
}

/** How often any thread of the processes has gone to sleep since it began, as an event loop does that has nothing to do. */
export function sleeps(pids: readonly number[]): number {
  const statuses = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/status`),
  );
  return statuses.reduce(
    (sum, path) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(read(path))?.[1] ?? 0),
    0,
  );
}

export function memory(pid: number): Memory {
  return {
    rss: kilobytes(read(`/proc/${pid}/status`), 'VmRSS') * BYTES_PER_KB,
    pss: kilobytes(read(`/proc/${pid}/smaps_rollup`), 'Pss') * BYTES_PER_KB,
  };
}

function children(pid: number): number[] {
  // Per thread: a child belongs to the thread that forked it. Node forks in its main thread.
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function cpuTicks(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // After the name, which may hold spaces and brackets: utime and stime are fields 14 and 15, the state is field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

function kilobytes(text: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
