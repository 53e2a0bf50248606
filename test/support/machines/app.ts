/**
 * The app of the machines, run in their workers: its jobs write down what they do in a table of the database that also keeps the
 * jobs. Every write is fenced by the number of its run, as an app's should be: see ledger.ts.
 */
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as pass } from 'node:timers/promises';
import pg from 'pg';
import { defineApp, trigger, type Job } from 'tricorn';

type Work = (job: Job) => unknown;

/** How often it is looked for a file, or for a database that is away, milliseconds. */
const LOOK_MS = 20;

let machine = '';
let pool: pg.Pool | undefined;

/** @param cron the jobs; GET /trigger/NAME?count=N&coalesce=false triggers one so often */
export function machineApp(cron: Record<string, unknown>): ReturnType<typeof defineApp> {
  return defineApp({
    onStart: ({ options }) => {
      machine = String(options['machine']);
      pool = new pg.Pool({ connectionString: String(options['ledger']), max: 1 });
      // It comes back.
      pool.on('error', () => {});
    },
    onStop: () => pool?.end(),
    handler: (request, response) => void answer(request, response),
    cron: cron as never,
  });
}

async function answer({ url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(url, 'http://machine');
  const [, name] = /^\/trigger\/(.+)$/.exec(pathname) ?? [];
  try {
    const coalesce = searchParams.get('coalesce') !== 'false';
    const asked = Array.from({ length: name === undefined ? 0 : Number(searchParams.get('count') ?? 1) });
    await Promise.all(asked.map(() => triggerKnown(name ?? '', coalesce)));
  } catch (error) {
    response.statusCode = 500;
    response.write(String(error));
  }
  response.end(machine);
}

/** A service waits 2 s for its store to know the jobs, and no longer. */
async function triggerKnown(name: string, coalesce: boolean): Promise<void> {
  for (;;) {
    try {
      await trigger(name, { coalesce });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'TRC_JOB_UNKNOWN') throw error;
      await pass(LOOK_MS);
    }
  }
}

/** A job that tells of its beginning and its end, and works in between. One that was told to stop tells nothing any more. */
export function told(work: Work = () => {}): Work {
  return async (job) => {
    await tell(job, 'begin');
    await work(job);
    await tell(job, 'end');
  };
}

/** Work that writes now and then, so that it is seen where two runs do it at the same time. */
export function steps(count: number, ms: number): Work {
  return async (job) => {
    for (let step = 1; step <= count; step += 1) {
      await pass(ms);
      await tell(job, `step ${step}`);
    }
  };
}

/** Work that goes on until the file is there. */
export function untilFile(path: string): Work {
  return async ({ signal }) => {
    while (!existsSync(path) && !signal.aborted) await pass(LOOK_MS);
  };
}

/** Where the database is away it is tried again, for as long as the run is this worker's. */
async function tell({ name, runId, attempt, scheduledAt, signal }: Job, what: string): Promise<void> {
  const values = [name, runId, scheduledAt.getTime(), attempt, what, machine, process.pid];
  while (!signal.aborted) {
    try {
      await pool?.query('SELECT tell($1, $2, $3, $4, $5, $6, $7)', values);
      return;
    } catch {
      await pass(LOOK_MS);
    }
  }
}
