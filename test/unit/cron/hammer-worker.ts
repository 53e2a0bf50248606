/**
 * A cron worker in a process of its own, for hammer.ts: runs jobs whose every write is fenced by their run's number, as an app's
 * should be. What it did stands in the ledger: one line per beginning, write and end, appended in one piece.
 */
import { appendFileSync } from 'node:fs';
import pino from 'pino';
import type { Job } from '../../../src/cron/job.ts';
import { CronRunner } from '../../../src/cron/runner.ts';
import { StoreGuard } from '../../../src/cron/store-guard.ts';
import { storeAt } from '../../../src/cron/open-store.ts';
import { DAY, SECOND, specOf } from './support.ts';

const [db_url = '', data_dir = '', ledger = '', number = '1', names = '', workMs = '0'] = process.argv.slice(2);

const log = pino({ level: process.env['HAMMER_LOG'] ?? 'silent' }, pino.destination(2));
const who = { worker: `cron ${number}`, machine: `machine ${process.pid}` };
const limits = { failures: 5, overMs: 7 * DAY };
const store = await storeAt({ db_url, data_dir }, { who, limits, history: 1000 });
const guard = new StoreGuard(store, { log });

async function run({ name, runId, attempt, scheduledAt }: Job): Promise<void> {
  const tell = (what: string): void => {
    appendFileSync(
      ledger,
      `${JSON.stringify({ what, worker: Number(number), name, runId, attempt, tick: scheduledAt.getTime(), at: Date.now() })}\n`,
    );
  };
  tell('begin');
  await new Promise((resolve) => void setTimeout(resolve, Number(workMs)));
  tell('end');
}

const rhythm = { cron: '* * * * * *', timezone: 'UTC' };
const jobs = new Map(
  names.split(',').map((name) => [name, { run, spec: specOf({ name, rhythm, missed: 'all', retries: 100 }) }]),
);
const runner = new CronRunner({ guard, jobs, number: Number(number), log, onOverdue: () => {} });
void runner.start(1);

async function stop(): Promise<void> {
  await runner.drain(10 * SECOND);
  await guard.close();
  process.disconnect?.();
}

process.on('message', () => void stop());
process.send?.('started');
