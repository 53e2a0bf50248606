// What only the SQLite store can meet: a file that is none, tables of a newer version, a job that blocks its loop.
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { SqliteStore } from '../../../src/cron/sqlite-store.ts';
import { StoreGuard } from '../../../src/cron/store-guard.ts';
import type { Run } from '../../../src/cron/store.ts';
import { withoutHooks } from '../../support/installed-package.ts';
import { recordLog, source, type Line } from '../supervisor/support.ts';
import { DAY, specOf } from './support.ts';

const options = { who: { worker: 'cron 1', machine: 'here' }, limits: { failures: 5, overMs: 7 * DAY }, history: 10 };

const yearly = specOf({ rhythm: { cron: '@yearly', timezone: 'UTC' } });

function storeIn(t: Test, folder: string): SqliteStore {
  const store = new SqliteStore(folder, options);
  t.teardown(() => store.close());
  return store;
}

t.test('a file that is no database is told, and mended while we run', async (t) => {
  const folder = t.testdir({ 'tricorn.db': 'x'.repeat(5000) });
  const { log, lines } = recordLog();
  const guard = new StoreGuard(storeIn(t, folder), { log });
  const woken = Promise.withResolvers<void>();
  const alive = setInterval(() => {}, DAY);
  t.teardown(() => clearInterval(alive));
  await guard.begin([specOf()], 1, { onWake: () => woken.resolve(), onLost: () => {} });
  t.match(lines, [
    { level: 'error', message: /^Jobs pause: the store of the jobs, .*tricorn\.db: file is not a database$/ },
  ]);
  rmSync(join(folder, 'tricorn.db'));
  await woken.promise;
  t.match(lines, [{}, { level: 'info', message: /is back after/ }]);
  t.match(await guard.store.list(), [{ name: 'job', state: 'waiting' }]);
});

t.test('a folder that cannot be made is told', async (t) => {
  const folder = t.testdir({ file: '' });
  await t.rejects(storeIn(t, join(folder, 'file/data')).list(), { code: 'TRC_STORE', message: /ENOTDIR|EEXIST/ });
});

t.test('tables of a newer version are refused', async (t) => {
  const folder = t.testdir();
  const store = storeIn(t, folder);
  await store.list();
  const db = new DatabaseSync(store.place);
  db.exec('PRAGMA user_version = 99');
  db.close();
  await t.rejects(storeIn(t, folder).list(), {
    code: 'TRC_STORE',
    message: /of version 99, this Tricorn knows 1 at most/,
  });
});

t.test('a full disk is told, loses nothing, and is got over', async (t) => {
  const folder = t.testdir();
  const store = storeIn(t, folder);
  await store.sync([specOf()], 1);
  await store.pause('job');
  // As good as full: nothing can be written where the log of the database has to grow.
  for (const ending of ['', '-wal', '-shm']) rmSync(`${store.place}${ending}`, { force: true });
  mkdirSync(`${store.place}-wal`);
  await t.rejects(store.reopen(), { code: 'TRC_STORE' });
  rmSync(`${store.place}-wal`, { recursive: true });
  await store.reopen();
  await store.sync([specOf()], 1);
  t.match(await store.list(), [{ state: 'waiting' }]);
});

interface Guarded {
  readonly guard: StoreGuard;
  readonly lines: readonly Line[];
  readonly lost: Run[];
  /** Resolved once the store is back. */
  readonly back: Promise<void>;
}

/** A handle that listens, and asks when it is woken, as cron workers do. */
async function guarded(t: Test, folder: string): Promise<Guarded> {
  const { log, lines } = recordLog();
  const guard = new StoreGuard(new SqliteStore(folder, options), { log });
  const alive = setInterval(() => {}, DAY);
  t.teardown(() => {
    clearInterval(alive);
    return guard.close();
  });
  const lost: Run[] = [];
  const back = Promise.withResolvers<void>();
  const onWake = (): void => {
    void guard.acquire([]);
    if (lines.some(({ message }) => /is back after/.test(String(message)))) back.resolve();
  };
  await guard.begin([yearly], 1, { onWake, onLost: (run) => lost.push(run) });
  return { guard, lines, lost, back: back.promise };
}

const ways: Readonly<Record<string, (folder: string) => void>> = {
  'the file is removed': (folder) => rmSync(join(folder, 'tricorn.db')),
  'its whole folder is removed': (folder) => rmSync(folder, { recursive: true }),
  'the file is replaced by another': (folder) => {
    const [file, other] = ['tricorn.db', 'other.db'].map((name) => join(folder, name)) as [string, string];
    new DatabaseSync(other).close();
    writeFileSync(other, '');
    for (const ending of ['-wal', '-shm']) rmSync(file + ending);
    renameSync(other, file);
  },
};

for (const [what, doIt] of Object.entries(ways)) {
  t.test(`${what} while it is open: told, and all handles go on with a new one`, async (t) => {
    const folder = join(t.testdir(), 'data');
    const [one, two] = [await guarded(t, folder), await guarded(t, folder)];
    const asks = storeIn(t, folder);
    await asks.trigger('job');
    const { run } = await one.guard.acquire(['job']);
    t.match(run, { runId: 1 });
    doIt(folder);
    t.same(await one.guard.acquire(['job']), { run: undefined, dueInMs: undefined });
    await Promise.all([one.back, two.back]);
    for (const { lines } of [one, two]) {
      t.match(lines, [
        { level: 'error', message: /^Jobs pause: .*tricorn\.db: it was removed or replaced while it was open/ },
        { level: 'info', message: /is back after/ },
      ]);
    }
    t.match(one.lost, [{ name: 'job', runId: 1 }], 'nobody holds what nobody knows');
    t.match(await asks.list().catch(() => asks.list()), [{ name: 'job', state: 'waiting', last: null }]);
    await asks.trigger('job');
    t.match(await two.guard.acquire(['job']), { run: { runId: 1 } });
  });
}

t.test('whoever only triggers is the last to notice, and does not mind', async (t) => {
  const folder = t.testdir({ data: {} });
  const asks = storeIn(t, folder);
  await storeIn(t, folder).sync([yearly], 1);
  await asks.trigger('job');
  rmSync(asks.place);
  await t.rejects(asks.trigger('job'), { code: 'TRC_STORE', message: /was removed or replaced/ });
  await asks.list();
  rmSync(asks.place);
  const fresh = storeIn(t, folder);
  await fresh.sync([yearly], 1);
  await asks.trigger('job');
  t.match(await fresh.acquire(['job']), { run: { runId: 1 } });
});

t.test('whoever has the old file open harms not the new one', async (t) => {
  const folder = t.testdir();
  const store = storeIn(t, folder);
  await store.sync([yearly], 1);
  const old = new DatabaseSync(store.place);
  const write = (): void => old.exec("UPDATE tricorn_job SET state = state || ' '");
  write();
  rmSync(store.place);
  const fresh = storeIn(t, folder);
  for (let since = 1; since < 20; since += 1) {
    write();
    await fresh.sync([yearly, specOf({ name: `job-${since}` })], since);
  }
  old.close();
  await fresh.close();
  const db = new DatabaseSync(store.place);
  t.match(db.prepare('PRAGMA integrity_check').all(), [{ integrity_check: 'ok' }]);
  t.equal(db.prepare('SELECT count(*) AS jobs FROM tricorn_job').get()?.['jobs'], 20);
  db.close();
});

t.test('a folder in place of the file is told', async (t) => {
  const folder = t.testdir({ 'tricorn.db': {} });
  await t.rejects(storeIn(t, folder).list(), {
    code: 'TRC_STORE',
    message: /tricorn\.db: it is a folder, and must be a file/,
  });
});

t.test('a job that blocks its event loop keeps its run', async (t) => {
  const folder = t.testdir({ data: {} });
  const store = storeIn(t, join(folder, 'data'));
  await store.sync([specOf({ rhythm: { cron: '@yearly', timezone: 'UTC' } })], 1);
  await store.trigger('job');
  const { run } = await store.acquire(['job']);
  // Another worker looks for the dead, three times over, while this loop is blocked by waiting for it.
  const other = `
    import { SqliteStore } from ${source('cron/sqlite-store.ts')};
    const store = new SqliteStore(${JSON.stringify(join(folder, 'data'))}, ${JSON.stringify(options)});
    await store.listen({ onWake() {}, onLost() {} });
    await new Promise((resolve) => setTimeout(resolve, 1800));
    console.log(JSON.stringify([(await store.acquire(['job'])).run ?? null, (await store.list())[0].state]));
    await store.close();`;
  writeFileSync(join(folder, 'other.mjs'), other);
  const { stdout, stderr } = spawnSync('env', withoutHooks(process.execPath, [join(folder, 'other.mjs')]), {
    encoding: 'utf8',
  });
  t.equal(stderr, '');
  t.same(JSON.parse(stdout), [null, 'running']);
  t.match(await store.end(run!, { outcome: 'done' }), { isHeld: true });
});

t.test('its thread dies in mid-run: the next one takes the run back, unless somebody else was faster', async (t) => {
  const threads: Worker[] = [];
  const onWorker = (thread: Worker): unknown => threads.push(thread);
  process.on('worker', onWorker);
  t.teardown(() => process.off('worker', onWorker));
  const folder = t.testdir();
  const store = storeIn(t, folder);
  await store.sync([specOf({ rhythm: { cron: '@yearly', timezone: 'UTC' } })], 1);
  const lost: number[] = [];
  const alive = setInterval(() => {}, DAY);
  t.teardown(() => clearInterval(alive));
  await store.listen({ onWake: () => {}, onLost: ({ runId }) => lost.push(runId) });
  for (const isFaster of [false, true]) {
    await store.trigger('job');
    const { run } = await store.acquire(['job']);
    await threads.at(-1)?.terminate();
    if (isFaster) {
      const other = storeIn(t, folder);
      await other.listen({ onWake: () => {}, onLost: () => {} });
      t.match(await other.acquire(['job']), { run: { runId: 3, attempt: 2 } });
    }
    await store.reopen();
    t.match(await store.end(run!, { outcome: 'done' }), { isHeld: !isFaster });
    t.same(lost, isFaster ? [2] : []);
  }
});
