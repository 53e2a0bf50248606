// What only the SQLite store can meet: a file that is none, tables of a newer version, a job that blocks its loop.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { SqliteStore } from '../../../src/cron/sqlite-store.ts';
import { StoreGuard } from '../../../src/cron/store-guard.ts';
import { withoutHooks } from '../../support/installed-package.ts';
import { recordLog, source } from '../supervisor/support.ts';
import { DAY, specOf } from './support.ts';

const options = { who: { worker: 'cron 1', machine: 'here' }, limits: { failures: 5, overMs: 7 * DAY }, history: 10 };

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
