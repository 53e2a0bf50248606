/** One connection to PostgreSQL, of one handle. The driver is loaded when the first is made. */
import { setTimeout } from 'node:timers/promises';
import type { Client } from 'pg';
import { migrate } from './postgres-schema.ts';

const CONNECT_MS = 5000;
/** A server that says nothing for so long is away, milliseconds. Longer than the lock_timeout below. */
const ANSWER_MS = 10_000;
/** How long a connection may take to say goodbye, milliseconds. */
const END_MS = 1000;

/**
 * A machine that vanishes says nothing: the server finds out, and frees its locks, within about 11 s. A statement that waits
 * for a lock for long would hide that something is wrong. A handle may be silent for as long as nothing is due.
 */
const SESSION = `
  SELECT set_config(name, wanted.value, false)
  FROM (VALUES
    ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3'),
    ('lock_timeout', '5s'), ('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '30s')
  ) AS wanted (key, value) JOIN pg_settings ON name = key`;

/**
 * @param onEnd is called once, when the connection ends, by whomever
 * @throws Error where `pg` is not installed, the server cannot be reached, or its tables are newer than ours
 */
export async function connect(url: string, onEnd: (error: Error) => void): Promise<Client> {
  const { Client } = await loadDriver();
  const client = new Client({
    connectionString: url,
    application_name: 'tricorn',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
  });
  let reason = new Error('the server has closed the connection');
  client.on('error', (error) => (reason = error));
  client.on('end', () => onEnd(reason));
  try {
    await client.connect();
    await client.query(SESSION);
    await migrate(client);
    return client;
  } catch (error) {
    await disconnect(client);
    throw error;
  }
}

/** One that has gone silent is left to the operating system. */
export async function disconnect(client: Client): Promise<void> {
  const silent = new AbortController();
  const limit = setTimeout(END_MS, undefined, { signal: silent.signal }).catch(() => {});
  await Promise.race([client.end().catch(() => {}), limit]);
  silent.abort();
}

async function loadDriver(): Promise<{ Client: typeof Client }> {
  try {
    return (await import('pg')).default;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new Error('the driver is not installed; do so with: npm install pg', { cause });
  }
}

/** The url without its password and parameters. */
export function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'db_url';
  const { protocol, username, host, pathname } = new URL(url);
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
}
