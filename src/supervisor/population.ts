/** Changes of how many workers and threads a generation has, and of single ones. Loaded when one is asked for. */
import type { CommonServer, Team } from '../common-server.ts';
import type { Config } from '../config/config.ts';
import type { WireError } from '../errors.ts';
import type { Outcome } from './change.ts';
import { closed } from './worker-handle.ts';
import { replaced } from './workers.ts';

/** Resolves when there are so many workers or threads. */
export async function scale(current: CommonServer, count: number): Promise<Outcome> {
  if (current.mode === 'evented' || count < 1) return refused(current.scale(count));
  const text = current.scale(count);
  return judge(current, text, await current.whenStaffed('workers'));
}

/** As many workers, threads and cron workers as the live settings say. @returns undefined where there are */
export async function populate(current: CommonServer, changed: Partial<Config>): Promise<Outcome | undefined> {
  const { [current.mode === 'prefork' ? 'workers' : 'threads']: size, max_cron_threads: crew } = changed;
  const scaled = size === undefined ? undefined : await scale(current, size);
  if (scaled && scaled.outcome !== 'done') return scaled;
  const failed = crew === undefined ? undefined : await current.whenStaffed('crew');
  return failed && understaffed(`max_cron_threads = ${crew}`, failed);
}

/** Resolves when another worker serves in its place and it accepts no more. @param worker as `tricorn status` names it */
export async function recycle(current: CommonServer, worker: number | string): Promise<Outcome> {
  for (const [name, team] of Object.entries(current.teams)) {
    const handle = [...team].find(({ label, state }) => label === String(worker) && state === 'ready');
    if (!handle) continue;
    const isReplaced = replaced(team, handle);
    handle.recycle('it was asked for');
    const notReplaced = await isReplaced;
    const hasDied = handle.exit?.expected === false;
    const failed = hasDied ? await current.whenStaffed(name as Team) : notReplaced;
    if (failed) return understaffed(`${handle.name} ${hasDied ? 'has died' : 'serves on'}`, failed);
    await closed([handle]);
    const how = hasDied ? 'has died, and another serves' : 'is replaced, and ends when it has finished its work';
    return judge(current, `${handle.name} ${how}`);
  }
  const names = current.handles.filter(({ state }) => state === 'ready').map(({ label }) => label);
  return refused(`There is no worker ${worker} that is ready; there are: ${names.join(', ') || 'none'}`);
}

function judge({ state, generation }: CommonServer, text: string, failed?: WireError): Outcome {
  if (state !== 'serving') return refused('The service stops');
  return failed ? understaffed(text, failed) : { outcome: 'done', text, generation };
}

function refused(text: string): Outcome {
  return { outcome: 'refused', text };
}

function understaffed(text: string, error: WireError): Outcome {
  return { outcome: 'failed', text: `${text}: one could not start, and is tried again`, error };
}
