// What only the PostgreSQL store can meet: a server that stops, ends a connection, recovers, or has newer tables.
import pg from 'pg';
import t, { type Test } from 'tap';
import { PostgresStore } from '../../../src/cron/postgres-store.ts';
import { StoreGuard } from '../../../src/cron/store-guard.ts';
import type { Run } from '../../../src/cron/store.ts';
import { recordLog, runModule, source, type Line } from '../supervisor/support.ts';
import { startPostgres } from './postgres-server.ts';
import { DAY, specOf } from './support.ts';

const options = { who: { worker: 'cron 1', machine: 'here' }, limits: { failures: 5, overMs: 7 * DAY }, history: 10 };
const yearly = specOf({ rhythm: { cron: '@yearly', timezone: 'UTC' } });
const server = await startPostgres(t);

interface Guarded {
  readonly guard: StoreGuard;
  readonly lines: readonly Line[];
  readonly lost: Run[];
  /** Resolved when it is woken since the store is back: what wakes it before may come late. */
  readonly back: Promise<void>;
}

async function guarded(t: Test, url: string): Promise<Guarded> {
  const { log, lines } = recordLog();
  const guard = new StoreGuard(new PostgresStore(url, options), { log });
  t.teardown(() => guard.close());
  const lost: Run[] = [];
  const back = Promise.withResolvers<void>();
  const onWake = (): void => {
    if (lines.some(({ message }) => /is back after/.test(String(message)))) back.resolve();
  };
  await guard.begin([yearly], 1, { onWake, onLost: (run) => lost.push(run) });
  return { guard, lines, lost, back: back.promise };
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function taken({ guard }: Guarded): Promise<Run> {
  await guard.store.trigger('job');
  const { run } = await guard.acquire(['job']);
  if (!run) throw new Error('nothing is due');
  return run;
}

t.test('jobs are declared while somebody begins a run of one: neither is refused', async (t) => {
  const url = await server.database();
  const store = new PostgresStore(url, options);
  const client = new pg.Client(url);
  t.teardown(() => Promise.all([store.close(), client.end()]));
  await store.sync([yearly], 1);
  await client.connect();
  // What begins a run, in its two steps.
  await client.query("BEGIN; SELECT state FROM tricorn_job WHERE name = 'job' FOR NO KEY UPDATE SKIP LOCKED");
  const declared = store.sync([yearly, specOf({ name: 'other' })], 2);
  while ((await client.query('SELECT FROM pg_locks WHERE NOT granted')).rowCount === 0);
  await client.query("UPDATE tricorn_job SET due_at = NULL WHERE name = 'job'; COMMIT");
  await declared;
  t.match(await store.list(), [{ name: 'job' }, { name: 'other' }]);
});

t.test('the server is restarted in mid-run: the run is taken back, and nobody else gets it', async (t) => {
  const url = await server.database();
  const [one, two] = [await guarded(t, url), await guarded(t, url)];
  const run = await taken(one);
  await server.stop();
  const ended = one.guard.end(run, { outcome: 'done' });
  t.same(await two.guard.acquire(['job']), { run: undefined, dueInMs: undefined });
  await t.rejects(two.guard.store.trigger('job'), { code: 'TRC_STORE' });
  await server.start();
  t.match(await ended, { isHeld: true });
  await Promise.all([one.back, two.back]);
  for (const { lines, lost } of [one, two]) {
    t.match(lines, [
      { level: 'error', message: /^Jobs pause: / },
      { level: 'info', message: /is back after/ },
    ]);
    t.equal(lines.length, 2);
    t.same(lost, []);
  }
  t.match(await one.guard.store.history('job'), [{ runId: 1, outcome: 'done' }]);
});

t.test('its connection is ended in mid-run: the run is taken back', async (t) => {
  const url = await server.database();
  const [one, two] = [await guarded(t, url), await guarded(t, url)];
  const run = await taken(one);
  await query(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tricorn'
    AND datname = current_database()`,
  );
  await Promise.all([one.back, two.back]);
  t.match(await two.guard.acquire(['job']), { run: undefined });
  t.match(await one.guard.end(run, { outcome: 'done' }), { isHeld: true });
});

t.test('many who come at once to an empty database make the tables once', async (t) => {
  const url = await server.database();
  const stores = Array.from({ length: 6 }, () => new PostgresStore(url, options));
  t.teardown(() => Promise.all(stores.map((store) => store.close())));
  t.same(await Promise.all(stores.map((store) => store.list())), [[], [], [], [], [], []]);
});

t.test('tables of a newer version are refused', async (t) => {
  const url = await server.database();
  const { guard } = await guarded(t, url);
  await guard.close();
  await query(url, 'UPDATE tricorn_schema SET version = 99');
  const late = new PostgresStore(url, options);
  t.teardown(() => late.close());
  await t.rejects(late.list(), { code: 'TRC_STORE', message: /of version 99, this Tricorn knows 1 at most/ });
});

t.test('all names begin with tricorn_', async (t) => {
  const url = await server.database();
  await guarded(t, url);
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'tricorn\\_%'`,
  );
  await client.end();
  t.same(rows, []);
});

t.test('a password is never shown', async (t) => {
  const store = new PostgresStore('postgres://me:hush@127.0.0.1:1/db?sslpassword=hush', options);
  await t.rejects(store.list(), {
    code: 'TRC_STORE',
    message: /^[^]*postgres:\/\/me@127\.0\.0\.1:1\/db: (?![^]*hush)/,
  });
  t.notMatch(store.place, /hush/);
  await store.close();
});

t.test('without the driver, it says what to install', async (t) => {
  const said = await runModule(
    t,
    `import { registerHooks } from 'node:module';
     registerHooks({ resolve(name, context, next) {
       if (name !== 'pg') return next(name, context);
       throw Object.assign(new Error('Cannot find package pg'), { code: 'ERR_MODULE_NOT_FOUND' });
     } });
     const { PostgresStore } = await import(${source('cron/postgres-store.ts')});
     const store = new PostgresStore('postgres://127.0.0.1/x', ${JSON.stringify(options)});
     await store.list().catch((error) => console.log(error.code, error.message));`,
  );
  t.match(said, /^TRC_STORE .*the driver is not installed; do so with: npm install pg/);
});

// The last: the server is of no use to others afterwards.
t.test('in recovery, it says so, and goes on when the server is promoted', async (t) => {
  const url = await server.database();
  const { guard } = await guarded(t, url);
  await guard.store.trigger('job');
  await guard.close();
  await server.stop();
  await server.startInRecovery();
  const warnings: string[] = [];
  const store = new PostgresStore(url, { ...options, warn: (message) => warnings.push(message) });
  t.teardown(() => store.close());
  await store.listen({ onWake: () => {}, onLost: () => {} });
  t.match(warnings, [/is in recovery/]);
  t.equal(warnings.length, 1);
  t.match(await store.list(), [{ name: 'job' }], 'it can be read');
  await t.rejects(store.acquire(['job']), { code: 'TRC_STORE', message: /recovery|read-only/ });
  await query(url, 'SELECT pg_promote()');
  await store.reopen();
  t.match(await store.acquire(['job']), { run: { name: 'job' } });
});
