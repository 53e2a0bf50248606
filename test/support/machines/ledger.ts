/**
 * What the jobs of several machines have written down, in one table of a PostgreSQL server. The writes of a job come one after
 * the other, by the lock of its fence, and in this order they are numbered. One that carries a smaller run's number than was
 * seen before is `refused`: two runs were going on at the same time.
 */
import { setTimeout as pass } from 'node:timers/promises';
import pg from 'pg';
import type { Test } from 'tap';
import type { Tricorn } from '../tricorn.ts';
import type { RunLine } from './lines.ts';

export interface Write extends RunLine {
  readonly machine: string;
  readonly pid: number;
  readonly refused: boolean;
}

/** How often it is looked, milliseconds. */
const LOOK_MS = 50;

/** A write whose answer was lost comes again, and is the same. */
const TABLES = `
  CREATE TABLE fence (name text PRIMARY KEY, run_id bigint NOT NULL);
  CREATE TABLE ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, run_id bigint, tick bigint, attempt int, what text,
    machine text, pid int, refused boolean, UNIQUE (name, run_id, what)
  );
  CREATE FUNCTION tell(job text, run bigint, tick bigint, attempt int, what text, machine text, pid int) RETURNS void
  LANGUAGE plpgsql AS $$
    DECLARE seen bigint;
    BEGIN
      INSERT INTO fence VALUES (job, run) ON CONFLICT DO NOTHING;
      SELECT run_id INTO seen FROM fence WHERE fence.name = job FOR UPDATE;
      UPDATE fence SET run_id = greatest(seen, run) WHERE fence.name = job;
      INSERT INTO ledger (name, run_id, tick, attempt, what, machine, pid, refused)
      VALUES (job, run, tick, attempt, what, machine, pid, run < seen) ON CONFLICT DO NOTHING;
    END
  $$;`;

const WRITES = `SELECT name, run_id::float8 AS "runId", tick::float8 AS tick, attempt, what, machine, pid, refused
  FROM ledger ORDER BY id`;

export class Ledger {
  readonly url: string;
  readonly #pool: pg.Pool;
  #over: string | undefined;

  private constructor(url: string) {
    this.url = url;
    this.#pool = new pg.Pool({ connectionString: url, max: 1 });
    this.#pool.on('error', () => {});
  }

  /** @param url of an empty database */
  static async open(t: Test, url: string): Promise<Ledger> {
    const ledger = new Ledger(url);
    t.teardown(() => ledger.#pool.end());
    await ledger.#pool.query(TABLES);
    return ledger;
  }

  /** From now on nobody waits for writes any longer once it has ended, unless a signal of ours has ended it. */
  watch(server: Tricorn): void {
    void server.ended.then(([code]) => {
      if (code !== null) this.#over = `a server has ended with exit code ${code}`;
    });
  }

  async writes(): Promise<Write[]> {
    return (await this.#pool.query<Write>(WRITES)).rows;
  }

  /** Resolves with all writes once they are as they should be. A server that is being restarted is waited for. */
  async until(isDone: (writes: readonly Write[]) => boolean): Promise<Write[]> {
    for (;;) {
      if (this.#over !== undefined) throw new Error(this.#over);
      const writes = await this.writes().catch(() => undefined);
      if (writes && isDone(writes)) return writes;
      await pass(LOOK_MS);
    }
  }
}
