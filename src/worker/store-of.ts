import { setTimeout as pass } from 'node:timers/promises';
import type { Store } from '../cron/store.ts';
import type { Log } from '../log/open-log.ts';
import { workerAndThread } from '../log/identity.ts';
import type { LoopBoot } from '../protocol.ts';

/** A handle to the jobs of the app, under the name that the loop has in the log. Its engine is loaded by then only. */
export async function storeOf({ config, role, worker, thread }: LoopBoot, { log }: Pick<Log, 'log'>): Promise<Store> {
  const { openStore } = await import('../cron/open-store.ts');
  const name = role === 'http' ? 'worker' : role;
  const number = workerAndThread(worker, thread === 0 ? undefined : thread);
  return openStore(config, { worker: `${name} ${number}`, warn: (message) => log.warn(message) });
}

/** So long a store may take to be closed: this loop ends with it, or without. Milliseconds. */
const CLOSE_MS = 1000;

/** One that is away has nothing to let go of, and may not even answer. */
export async function soon(closing: Promise<void>): Promise<void> {
  await Promise.race([closing.catch(() => {}), pass(CLOSE_MS, undefined, { ref: false })]);
}
