/**
 * The rolling reload of threaded mode: where only the app's code has changed, the worker process stays, and its threads are
 * replaced one after the other (src/worker/renewal.ts). When all are, the next generation takes the worker over.
 */
import type { CommonServer } from '../common-server.ts';
import type { WireError } from '../errors.ts';
import { earlyEnd } from './boot-errors.ts';
import { differInCodeAlone } from './restart-settings.ts';

type Generation = Pick<
  CommonServer,
  'config' | 'folder' | 'generation' | 'limit' | 'loaded' | 'mode' | 'size' | 'workers'
>;

/** The folder is the process's: another one needs another process. So does a worker that is on its way out. */
export function renewable(next: Generation, old: Generation): boolean {
  const isSame = next.mode === old.mode && next.size === old.size && next.folder === old.folder;
  const isWhole = old.workers.size === 1 && old.workers.serving.length === 1;
  const isAsked = next.mode === 'threaded' && next.config.reload_strategy === 'rolling';
  return isAsked && isSame && isWhole && differInCodeAlone(next.loaded, old.loaded);
}

/** @returns why it failed: the old generation serves on */
export async function renewThreads(next: Generation, old: Generation): Promise<WireError | undefined> {
  const [worker] = old.workers.serving;
  const error = await worker?.renew(next.config.app, next.generation);
  if (error) return error;
  if (worker?.exit) return earlyEnd(worker);
  if (worker) worker.generation = next.generation;
  // It has none any more, and is to start none.
  old.limit = 0;
  next.workers.adopt(old.workers.release());
  return undefined;
}
