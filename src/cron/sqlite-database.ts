/** The tables of the SQLite store, and their rows as states and records. Lives in the store's thread. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { EndOfRun } from './records.ts';
import { alone, isBusy, sleep } from './sqlite-lock.ts';
import { MAKING } from './sqlite-messages.ts';
import { dueAt, type JobState } from './state.ts';
import type { RunRecord } from './store.ts';

/** Raised by every change of the tables. */
const VERSION = 1;

const SCHEMA = `
  CREATE TABLE tricorn_job (
    name TEXT PRIMARY KEY,
    due_at INTEGER,
    last_tick INTEGER,
    holder TEXT,
    state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE tricorn_run (
    name TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    worker TEXT NOT NULL,
    machine TEXT NOT NULL,
    outcome TEXT,
    error TEXT,
    done REAL,
    remaining REAL,
    PRIMARY KEY (name, run_id)
  ) STRICT, WITHOUT ROWID;
`;

const RECORD = `name, run_id AS runId, attempt, scheduled_at AS scheduledAt, started_at AS startedAt, ended_at AS endedAt,
  worker, machine, outcome, error, done, remaining`;

/** How long a statement waits for another process's transaction, milliseconds. */
const BUSY_MS = 5000;

export class SqliteDatabase {
  readonly #db: DatabaseSync;
  readonly #file: string;
  /** Of the file that is open. */
  readonly #identity: string | undefined;
  readonly #statements = new Map<string, StatementSync>();

  /** @throws Error where the file cannot be opened, is none, or was made by a newer version */
  constructor(file: string) {
    this.#file = file;
    this.#db = existsSync(file) ? open(file) : alone(`${file}${MAKING}`, BUSY_MS, () => make(file));
    this.#identity = identityOf(file);
    try {
      this.#db.exec('PRAGMA synchronous = NORMAL');
      this.#migrate();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Whether the file that is open is not the one at its path any longer: it was removed or replaced. */
  get isMoved(): boolean {
    return identityOf(this.#file) !== this.#identity;
  }

  #migrate(): void {
    const version = (): number => this.#prepare('PRAGMA user_version').get()?.['user_version'] as number;
    if (version() === VERSION) return;
    this.transaction(() => {
      // Once more: another process may have been faster.
      const seen = version();
      if (seen > VERSION) throw new Error(`its tables are of version ${seen}, this Tricorn knows ${VERSION} at most`);
      if (seen === 0) this.#db.exec(SCHEMA);
      this.#db.exec(`PRAGMA user_version = ${VERSION}`);
    });
  }

  /** Rolls back whatever is thrown. */
  transaction<T>(body: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = body();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk has rolled back already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  state(name: string): JobState | undefined {
    const row = this.#prepare('SELECT state FROM tricorn_job WHERE name = ?').get(name);
    return row && parse(row);
  }

  states(): JobState[] {
    return this.#prepare('SELECT state FROM tricorn_job ORDER BY name').all().map(parse);
  }

  /** Those of the jobs that may be run; `aheadOf` is for a clock that was set back. */
  due(names: readonly string[], now: number, aheadOf: number): JobState[] {
    const where = 'name IN (SELECT value FROM json_each(?)) AND due_at IS NOT NULL AND (due_at <= ? OR last_tick > ?)';
    const rows = this.#prepare(`SELECT state FROM tricorn_job WHERE ${where}`).all(JSON.stringify(names), now, aheadOf);
    return rows.map(parse);
  }

  /** The earliest time at which one of the jobs is due, of all jobs where no names are given. */
  nextDue(names?: readonly string[]): number | undefined {
    const where = names ? 'WHERE name IN (SELECT value FROM json_each(?))' : '';
    const statement = this.#prepare(`SELECT min(due_at) AS due FROM tricorn_job ${where}`);
    const row = names ? statement.get(JSON.stringify(names)) : statement.get();
    return (row?.['due'] as number | null) ?? undefined;
  }

  /** Who holds runs, but for one. */
  holders(but: string): string[] {
    const rows = this.#prepare('SELECT DISTINCT holder FROM tricorn_job WHERE holder <> ?').all(but);
    return rows.map((row) => row['holder'] as string);
  }

  heldBy(holder: string): JobState[] {
    return this.#prepare('SELECT state FROM tricorn_job WHERE holder = ?').all(holder).map(parse);
  }

  save(state: JobState): void {
    const { spec, lastTick, running } = state;
    this.#prepare(
      'INSERT OR REPLACE INTO tricorn_job (name, due_at, last_tick, holder, state) VALUES (?, ?, ?, ?, ?)',
    ).run(spec.name, dueAt(state), lastTick, running?.holder ?? null, JSON.stringify(state));
  }

  begun(record: RunRecord): void {
    const { name, runId, attempt, scheduledAt, startedAt, worker, machine, done, remaining } = record;
    this.#prepare(
      `INSERT INTO tricorn_run (name, run_id, attempt, scheduled_at, started_at, worker, machine, done, remaining)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(name, runId, attempt, Math.round(scheduledAt), startedAt, worker, machine, done, remaining);
  }

  /** The run that `state`, as it was before, had going. Older ones than the last `keep` are forgotten. */
  ended(state: JobState, { outcome, error, endedAt }: EndOfRun, keep: number): void {
    const { spec, runId, done, remaining } = state;
    const set = 'outcome = ?, error = ?, ended_at = ?, done = ?, remaining = ?';
    const update = this.#prepare(`UPDATE tricorn_run SET ${set} WHERE name = ? AND run_id = ?`);
    update.run(outcome, error, endedAt, done, remaining, spec.name, runId);
    this.#prepare('DELETE FROM tricorn_run WHERE name = ? AND run_id <= ?').run(spec.name, runId - keep);
  }

  records(name: string, most: number): RunRecord[] {
    const sql = `SELECT ${RECORD} FROM tricorn_run WHERE name = ? ORDER BY run_id DESC LIMIT ?`;
    return this.#prepare(sql).all(name, most) as unknown as RunRecord[];
  }

  close(): void {
    this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function parse(row: Readonly<Record<string, unknown>>): JobState {
  return JSON.parse(row['state'] as string) as JobState;
}

/**
 * One handle makes it, the others wait. What an earlier file of that name has left, if that was removed while it was open, goes
 * first: whoever still has the old one open would share its index with us, and damage both.
 */
function make(file: string): DatabaseSync {
  if (!existsSync(file)) for (const ending of ['-wal', '-shm']) rmSync(file + ending, { force: true });
  return open(file);
}

function open(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    useWal(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** This one statement does not wait for others who do the same: it fails at once. */
function useWal(db: DatabaseSync): void {
  const last = performance.now() + BUSY_MS;
  for (;;) {
    try {
      db.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > last) throw error;
      sleep();
    }
  }
}

function identityOf(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat && `${stat.dev} ${stat.ino}`;
}
