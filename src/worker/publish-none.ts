/**
 * An app that has no jobs has no cron workers that could say so: one of the workers that serve tells the store, whose jobs are
 * gone by that.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { DATABASE } from '../cron/sqlite-messages.ts';
import { StoreGuard } from '../cron/store-guard.ts';
import { PUBLISH_MS } from '../cron/timers.ts';
import type { Log } from '../log/open-log.ts';
import type { WorkerBoot } from '../protocol.ts';
import { storeOf } from './store-of.ts';

/** Resolves when the store knows, or is known to be away; then it is told when it is back. */
export async function publishNone(boot: WorkerBoot, log: Pick<Log, 'log'>, since: number): Promise<void> {
  const { db_url, data_dir } = boot.config;
  // One that is not there is not made for that.
  if (db_url === '' && !existsSync(join(data_dir, DATABASE))) return;
  const guard = new StoreGuard(await storeOf({ ...boot, thread: 0 }, log), { log: log.log });
  const begun = guard.begin([], since);
  void begun.then(() => guard.present()).then(() => guard.close());
  await Promise.race([begun, pass(PUBLISH_MS, undefined, { ref: false })]);
}
