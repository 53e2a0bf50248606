/** Changes of how many workers and threads a generation has, and of single ones. Loaded when one is asked for. */
import type { CommonServer } from '../common-server.ts';
import type { Config } from '../config/config.ts';
import { toWireError, TricornError } from '../errors.ts';
import type { Outcome } from './change.ts';
import { closed, type WorkerHandle } from './worker-handle.ts';
import { replaced } from './workers.ts';

/** Resolves when there are so many workers or threads. */
export async function scale(current: CommonServer, count: number): Promise<Outcome> {
  if (current.mode === 'evented' || count < 1) return refused(current.scale(count));
  const text = current.scale(count);
  const { generation } = current;
  return (await current.whenStaffed()) ? { outcome: 'done', text, generation } : understaffed(current, text);
}

/** As many workers, threads and cron workers as the live settings say. @returns undefined where there are */
export async function populate(current: CommonServer, changed: Partial<Config>): Promise<Outcome | undefined> {
  const { [current.mode === 'prefork' ? 'workers' : 'threads']: size, max_cron_threads: crew } = changed;
  const scaled = size === undefined ? undefined : await scale(current, size);
  if (scaled && scaled.outcome !== 'done') return scaled;
  if (crew === undefined || (await current.whenStaffed('crew'))) return undefined;
  return understaffed(current, `max_cron_threads = ${crew}`);
}

/** Resolves when another worker serves in its place and it accepts no more. @param worker as `tricorn status` names it */
export async function recycle(current: CommonServer, worker: number | string): Promise<Outcome> {
  const ready = current.handles.filter(({ state }) => state === 'ready');
  const handle = ready.find(({ label }) => label === String(worker));
  if (!handle) {
    const names = ready.map(({ label }) => label).join(', ');
    return refused(`There is no worker ${worker} that is ready; there ${names === '' ? 'is none' : `are ${names}`}`);
  }
  const team = current.teams.find((workers) => [...workers].includes(handle));
  const isReplaced = team && replaced(team, handle);
  handle.recycle('it was asked for');
  if (!(await isReplaced)) return understaffed(current, `${handle.name} serves on until its replacement is ready`);
  await closed([handle]);
  return { outcome: 'done', text: `${handle.name} ${howItWent(handle)}`, generation: current.generation };
}

function howItWent({ exit }: WorkerHandle): string {
  return exit && !exit.expected
    ? 'has died before its turn came'
    : 'is replaced, and ends when it has finished its work';
}

function refused(text: string): Outcome {
  return { outcome: 'refused', text };
}

function understaffed({ config }: CommonServer, text: string): Outcome {
  const error = toWireError(new TricornError('TRC_APP_BOOT', { app: config.app }));
  return { outcome: 'failed', text: `${text}: one could not start, and is tried again; the log says why`, error };
}
