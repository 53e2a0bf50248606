/** The statements of the PostgreSQL store, on a connection that is the caller's alone meanwhile. */
import type { Client } from 'pg';
import type { EndOfRun } from './records.ts';
import { LOCK_CLASS, takeTurn } from './postgres-schema.ts';
import { dueAt, type JobState } from './state.ts';
import type { RunRecord } from './store.ts';

/** All handles listen here; what is told says what happened: see Told. */
export const CHANNEL = 'tricorn_wake';
/** `due`: a job may have become due. `run`: a run has begun, whose holder may die. */
type Told = 'due' | 'run';

const RECORD = `name, run_id::float8 AS "runId", attempt, scheduled_at::float8 AS "scheduledAt",
  started_at::float8 AS "startedAt", ended_at::float8 AS "endedAt", worker, machine, outcome, error, done, remaining`;

interface StateRow {
  readonly state: JobState;
}

interface JobRow extends StateRow {
  readonly id: number;
}

/** A run whose lock nobody has: its holder has died, or has lost its connection and may come back. */
interface Orphan {
  readonly name: string;
  readonly runId: number;
}

export async function databaseTime(client: Client): Promise<number> {
  const sql = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now';
  return (await client.query<{ now: number }>(sql)).rows[0]!.now;
}

export async function transaction<T>(client: Client, body: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await body();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Where the connection is gone, so is the transaction.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

export async function due(client: Client, names: readonly string[], now: number, aheadOf: number): Promise<JobState[]> {
  const where = 'name = ANY($1) AND due_at IS NOT NULL AND (due_at <= $2 OR last_tick > $3)';
  const { rows } = await client.query<StateRow>(`SELECT state FROM tricorn_job WHERE ${where}`, [names, now, aheadOf]);
  return rows.map(({ state }) => state);
}

export async function nextDue(client: Client, names: readonly string[]): Promise<number | undefined> {
  const sql = 'SELECT min(due_at)::float8 AS due FROM tricorn_job WHERE name = ANY($1)';
  return (await client.query<{ due: number | null }>(sql, [names])).rows[0]?.due ?? undefined;
}

/** Undefined where there is none, or somebody else is at it. */
export async function lockIfFree(client: Client, name: string): Promise<JobRow | undefined> {
  const sql = 'SELECT id, state FROM tricorn_job WHERE name = $1 FOR NO KEY UPDATE SKIP LOCKED';
  return (await client.query<JobRow>(sql, [name])).rows[0];
}

export async function lock(client: Client, name: string): Promise<JobRow | undefined> {
  const sql = 'SELECT id, state FROM tricorn_job WHERE name = $1 FOR NO KEY UPDATE';
  return (await client.query<JobRow>(sql, [name])).rows[0];
}

/**
 * All of them, for a transaction that may add some. Such transactions come one after the other, or they would wait for each
 * other; everybody else locks one row at most, and then waits for nobody. The table is not locked: whoever has a row of it
 * would then wait for the table, and this one for the row.
 */
export async function lockAll(client: Client): Promise<JobState[]> {
  await takeTurn(client);
  const { rows } = await client.query<StateRow>('SELECT state FROM tricorn_job FOR NO KEY UPDATE');
  return rows.map(({ state }) => state);
}

export async function read(client: Client, name: string): Promise<JobState | undefined> {
  return (await client.query<StateRow>('SELECT state FROM tricorn_job WHERE name = $1', [name])).rows[0]?.state;
}

export async function readAll(client: Client): Promise<JobState[]> {
  const { rows } = await client.query<StateRow>('SELECT state FROM tricorn_job ORDER BY name COLLATE "C"');
  return rows.map(({ state }) => state);
}

export async function save(client: Client, state: JobState): Promise<void> {
  const { spec, lastTick, running } = state;
  await client.query(
    `INSERT INTO tricorn_job (name, due_at, last_tick, holder, state) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (name) DO UPDATE SET due_at = $2, last_tick = $3, holder = $4, state = $5`,
    [spec.name, dueAt(state), lastTick, running?.holder ?? null, JSON.stringify(state)],
  );
}

export async function begun(client: Client, record: RunRecord): Promise<void> {
  const { name, runId, attempt, scheduledAt, startedAt, worker, machine, done, remaining } = record;
  await client.query(
    `INSERT INTO tricorn_run (name, run_id, attempt, scheduled_at, started_at, worker, machine, done, remaining)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [name, runId, attempt, scheduledAt, startedAt, worker, machine, done, remaining],
  );
}

/** The run that `state`, as it was before, had going. Older ones than the last `keep` are forgotten. */
export async function ended(client: Client, state: JobState, how: EndOfRun, keep: number): Promise<void> {
  const { spec, runId, done, remaining } = state;
  const set = 'outcome = $1, error = $2, ended_at = $3, done = $4, remaining = $5';
  const values = [how.outcome, how.error, how.endedAt, done, remaining, spec.name, runId];
  await client.query(`UPDATE tricorn_run SET ${set} WHERE name = $6 AND run_id = $7`, values);
  await client.query('DELETE FROM tricorn_run WHERE name = $1 AND run_id <= $2', [spec.name, runId - keep]);
}

export async function records(client: Client, name: string, most: number): Promise<RunRecord[]> {
  const sql = `SELECT ${RECORD} FROM tricorn_run WHERE name = $1 ORDER BY run_id DESC LIMIT $2`;
  return (await client.query<RunRecord>(sql, [name, most])).rows;
}

export async function notify(client: Client, what: Told): Promise<void> {
  await client.query('SELECT pg_notify($1, $2)', [CHANNEL, what]);
}

/** Takes the lock that this connection holds for as long as it runs the job, or lives. */
export async function holdRun(client: Client, id: number): Promise<boolean> {
  const sql = `SELECT pg_try_advisory_lock(${LOCK_CLASS}, $1) AS held`;
  return (await client.query<{ held: boolean }>(sql, [id])).rows[0]?.held === true;
}

export async function releaseRun(client: Client, id: number): Promise<void> {
  await client.query(`SELECT pg_advisory_unlock(${LOCK_CLASS}, $1)`, [id]);
}

/** Until the transaction ends. */
export async function isOrphaned(client: Client, id: number): Promise<boolean> {
  const sql = `SELECT pg_try_advisory_xact_lock(${LOCK_CLASS}, $1) AS held`;
  return (await client.query<{ held: boolean }>(sql, [id])).rows[0]?.held === true;
}

const HOLDS = `locktype = 'advisory' AND granted AND objsubid = 2 AND classid = ${LOCK_CLASS}::oid
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** Ends another connection that holds the lock of a job: an earlier one of ours, which the server still believes in. */
export async function endHolder(client: Client, id: number): Promise<void> {
  const where = `${HOLDS} AND objid = $1::int4::oid AND pid <> pg_backend_pid()`;
  await client.query(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE ${where}`, [id]);
}

/** Who else runs jobs, and which of these runs have no lock. */
export async function others(client: Client, holder: string): Promise<{ count: number; orphans: Orphan[] }> {
  const sql = `
    SELECT name, (state->'running'->>'runId')::float8 AS "runId",
      id::oid NOT IN (SELECT objid FROM pg_locks WHERE ${HOLDS}) AS orphaned
    FROM tricorn_job WHERE holder <> $1`;
  const { rows } = await client.query<Orphan & { orphaned: boolean }>(sql, [holder]);
  return { count: rows.length, orphans: rows.filter(({ orphaned }) => orphaned) };
}
