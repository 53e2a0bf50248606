/** The tables of the PostgreSQL store. They are made and changed by whoever comes first, under an advisory lock. */
import type { Client } from 'pg';

/** Raised by every change of the tables. */
const VERSION = 1;

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE tricorn_job (
     id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     name text NOT NULL UNIQUE,
     due_at bigint,
     last_tick bigint,
     holder text,
     state json NOT NULL
   );
   CREATE INDEX tricorn_job_due_at ON tricorn_job (due_at);
   CREATE TABLE tricorn_run (
     name text NOT NULL,
     run_id bigint NOT NULL,
     attempt integer NOT NULL,
     scheduled_at bigint NOT NULL,
     started_at bigint NOT NULL,
     ended_at bigint,
     worker text NOT NULL,
     machine text NOT NULL,
     outcome text,
     error text,
     done double precision,
     remaining double precision,
     PRIMARY KEY (name, run_id)
   );`,
];

/** What the first key of all our advisory locks is: another schema of the same database has another one. */
export const LOCK_CLASS = `hashtext('tricorn ' || current_schema())`;

/** Until the transaction ends: for those that concern all jobs. */
export async function takeTurn(client: Client): Promise<void> {
  // 0 is no job's number.
  await client.query(`SELECT pg_advisory_xact_lock(${LOCK_CLASS}, 0)`);
}

/** @throws Error where the tables were made by a newer version */
export async function migrate(client: Client): Promise<void> {
  if ((await versionOf(client)) === VERSION) return;
  await client.query('BEGIN');
  try {
    await takeTurn(client);
    await client.query('CREATE TABLE IF NOT EXISTS tricorn_schema (version integer NOT NULL)');
    const seen = await versionOf(client);
    if (seen > VERSION) throw new Error(`its tables are of version ${seen}, this Tricorn knows ${VERSION} at most`);
    for (const statements of MIGRATIONS.slice(seen)) await client.query(statements);
    await client.query('DELETE FROM tricorn_schema');
    await client.query('INSERT INTO tricorn_schema (version) VALUES ($1)', [VERSION]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function versionOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ found: boolean }>(`SELECT to_regclass('tricorn_schema') IS NOT NULL AS found`);
  if (!rows[0]?.found) return 0;
  const versions = await client.query<{ version: number }>('SELECT max(version) AS version FROM tricorn_schema');
  return versions.rows[0]?.version ?? 0;
}
