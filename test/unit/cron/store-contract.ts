/** What every engine of the store must do: the tests of sqlite-store and postgres-store run all of it. */
import t, { type Test } from 'tap';
import type { JobSpec } from '../../../src/cron/job.ts';
import type { EndRequest, LostRun, Run, Store, StoreOptions } from '../../../src/cron/store.ts';
import { at, DAY, HOUR, limits, MINUTE, SECOND, specOf } from './support.ts';

/** Opens a handle to the store of that name; the same name is the same store. The handle is closed with the test. */
export type Open = (t: Test, name: string, options: StoreOptions) => Promise<Store>;

const START = at('2026-01-01 12:00:30');
const DONE: EndRequest = { outcome: 'done' };

/** Several handles to one store, in one simulated time. */
class Bench {
  now = START;
  readonly #t: Test;
  readonly #open: Open;

  constructor(t: Test, open: Open) {
    this.#t = t;
    this.#open = open;
  }

  handle(worker = 'cron 1', given: Partial<StoreOptions> = {}): Promise<Store> {
    const who = { worker, machine: 'here' };
    return this.#open(this.#t, this.#t.fullname, { who, limits, history: 100, clock: () => this.now, ...given });
  }
}

async function acquired(store: Store, ...names: string[]): Promise<Run> {
  const { run } = await store.acquire(names);
  if (!run) throw new Error('nothing is due');
  return run;
}

/** The first run that the handle gets when it is woken. What finds the dead has a clock that goes on meanwhile. */
function takenByWake(store: Store, bench: Bench, ...names: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const take = async (): Promise<void> => {
      bench.now += SECOND;
      const { run } = await store.acquire(names);
      if (run) resolve(run);
    };
    const onWake = (): void => void take().catch(reject);
    store.listen({ onWake, onLost: () => {} }).catch(reject);
  });
}

const named = (name: string, given: Partial<JobSpec> = {}): JobSpec => specOf({ name, ...given });

/** Declares the tests of the contract for an engine. */
export function contract(engine: string, open: Open): void {
  const test = (title: string, body: (t: Test, bench: Bench) => Promise<void>): void => {
    t.test(`${engine}: ${title}`, async (t) => {
      // A handle that only listens keeps no process alive.
      const alive = setInterval(() => {}, MINUTE);
      t.teardown(() => clearInterval(alive));
      await body(t, new Bench(t, open));
    });
  };

  test('a job waits for its tick, and runs once, whoever asks', async (t, bench) => {
    const [one, two] = [await bench.handle('cron 1'), await bench.handle('cron 2')];
    await one.sync([named('job')], 1);
    t.same(await one.acquire(['job']), { run: undefined, dueInMs: 30 * SECOND });
    bench.now += 30 * SECOND;
    const both = await Promise.all([one.acquire(['job']), two.acquire(['job'])]);
    const runs = both.flatMap(({ run }) => (run ? [run] : []));
    t.match(runs, [{ name: 'job', runId: 1, attempt: 1, scheduledAt: at('2026-01-01 12:01'), done: null }]);
    t.equal(runs.length, 1);
    bench.now += 5 * MINUTE;
    t.same(await two.acquire(['job']), { run: undefined, dueInMs: undefined }, 'it never overlaps with itself');
    const holder = both[0].run ? one : two;
    t.match(await holder.end(runs[0]!, DONE), { isHeld: true, goesOn: false, failures: 0, isDeactivated: false });
    t.match(await acquired(one, 'job'), { runId: 2, scheduledAt: at('2026-01-01 12:06') }, 'one for all it missed');
  });

  test('what a handle does not know is left to those that do', async (t, bench) => {
    const store = await bench.handle();
    await store.sync([named('a'), named('b')], 1);
    bench.now += MINUTE;
    t.match(await acquired(store, 'b'), { name: 'b' });
    t.match(await store.acquire(['b', 'c']), { run: undefined });
    t.match(await acquired(store, 'a', 'b'), { name: 'a' });
    t.match(await store.acquire([]), { run: undefined, dueInMs: undefined });
  });

  test('order: failures, priority, due time; what is partly done comes after the others', async (t, bench) => {
    const store = await bench.handle();
    const names = ['failing', 'usual', 'urgent'];
    await store.sync([named('failing', { priority: 0 }), named('usual'), named('urgent', { priority: 1 })], 1);
    bench.now += MINUTE;
    await store.end(await acquired(store, 'failing'), { outcome: 'failed', error: 'Error: no' });
    bench.now += MINUTE;
    const urgent = await acquired(store, ...names);
    t.equal(urgent.name, 'urgent');
    t.match(await store.end(urgent, { outcome: 'partial', unlessDue: names }), { goesOn: false }, 'others wait');
    for (const name of ['usual', 'failing', 'urgent']) {
      const run = await acquired(store, ...names);
      t.equal(run.name, name);
      await store.end(run, DONE);
    }
  });

  test('a partly done run that is alone goes on without letting go', async (t, bench) => {
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('job', { rhythm: { cron: '@hourly', timezone: 'UTC' } })], 1);
    bench.now += HOUR;
    const run = await acquired(one, 'job');
    t.equal(await one.progress(run, 3, 7), true);
    t.match(await one.end(run, { outcome: 'partial', unlessDue: ['job'] }), { isHeld: true, goesOn: true });
    t.match(await two.acquire(['job']), { run: undefined });
    t.match(await one.end(run, { outcome: 'partial' }), { goesOn: false });
    t.match(await acquired(two, 'job'), { runId: 2, attempt: 1, done: 3, remaining: 7, scheduledAt: run.scheduledAt });
  });

  test('the end of a run that is not held is refused, and stores nothing', async (t, bench) => {
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('job')], 1);
    bench.now += MINUTE;
    const run = await acquired(one, 'job');
    t.match(await two.end(run, DONE), { isHeld: false }, 'another handle');
    t.equal(await two.progress(run, 1, 1), false);
    await one.end(run, DONE);
    t.match(await one.end(run, DONE), { isHeld: false }, 'a second time');
    bench.now += MINUTE;
    const next = await acquired(one, 'job');
    t.ok(next.runId > run.runId);
    t.match(await one.end(run, DONE), { isHeld: false }, 'with an older fencing number');
    t.equal(await one.progress(run, 1, 1), false);
  });

  test('failures: retries, then deactivation, and resume', async (t, bench) => {
    const store = await bench.handle('cron 1', { limits: { failures: 2, overMs: DAY } });
    await store.sync([named('job', { retries: 1, rhythm: { cron: '0 0 */2 * *', timezone: 'UTC' } })], 1);
    bench.now = at('2026-01-03 00:00');
    const failed = { outcome: 'failed', error: 'Error: no' } as const;
    t.match(await store.end(await acquired(store, 'job'), failed), { failures: 1, isDeactivated: false });
    const { dueInMs = 0 } = await store.acquire(['job']);
    t.ok(dueInMs >= 2500 && dueInMs <= 5000, `retried in ${dueInMs} ms`);
    bench.now += 2 * DAY;
    t.match(await store.end(await acquired(store, 'job'), failed), { failures: 2, isDeactivated: true, nextAt: null });
    t.match(await store.list(), [
      { state: 'deactivated', failures: 2, last: { outcome: 'failed', error: 'Error: no' } },
    ]);
    await store.resume('job');
    t.match(await store.list(), [{ state: 'waiting', failures: 0, nextAt: at('2026-01-07 00:00') }]);
  });

  test('trigger: now or later, coalesced or not', async (t, bench) => {
    const store = await bench.handle();
    await store.sync([named('job', { rhythm: { cron: '@yearly', timezone: 'UTC' } })], 1);
    for (let n = 0; n < 5; n += 1) await store.trigger('job');
    for (let n = 0; n < 2; n += 1) await store.trigger('job', { coalesce: false });
    const runs: number[] = [];
    for (let { run } = await store.acquire(['job']); run; { run } = await store.acquire(['job'])) {
      runs.push(run.scheduledAt - START);
      await store.end(run, DONE);
    }
    t.same(runs, [0, 0, 0], 'one for the five, one for each of the two');
    await store.trigger('job', { at: bench.now + HOUR });
    t.same(await store.acquire(['job']), { run: undefined, dueInMs: HOUR });
    await t.rejects(store.trigger('jop'), {
      code: 'TRC_JOB_UNKNOWN',
      message: 'there is no job jop; did you mean job?',
    });
  });

  test('a storm of 10,000 triggers that coalesce is one run, and one more where one is going on', async (t, bench) => {
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('job', { rhythm: { cron: '@yearly', timezone: 'UTC' } })], 1);
    const storm = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 5000 }, (_, n) => (n % 2 === 0 ? one : two).trigger('job')));
    await storm();
    const run = await acquired(one, 'job');
    await storm();
    await one.end(run, DONE);
    await one.end(await acquired(one, 'job'), DONE);
    t.match(await one.acquire(['job']), { run: undefined });
    t.equal((await one.history('job')).length, 2);
  });

  test('pause and resume', async (t, bench) => {
    const store = await bench.handle();
    await store.sync([named('job')], 1);
    await store.pause('job');
    await store.sync([named('job', { priority: 1 })], 2);
    bench.now += HOUR;
    t.match(await store.acquire(['job']), { run: undefined, dueInMs: undefined });
    t.match(await store.list(), [{ name: 'job', state: 'paused' }]);
    await store.resume('job');
    t.match(await store.acquire(['job']), { run: undefined, dueInMs: 30 * SECOND });
    await t.rejects(store.pause('x'), { code: 'TRC_JOB_UNKNOWN' });
    await t.rejects(store.resume('x'), { code: 'TRC_JOB_UNKNOWN' });
    await t.rejects(store.history('x'), { code: 'TRC_JOB_UNKNOWN' });
  });

  test('two versions of an app side by side', async (t, bench) => {
    const [old, fresh] = [await bench.handle('old'), await bench.handle('new')];
    await old.sync([named('changed'), named('removed')], 100);
    await fresh.sync([named('changed', { rhythm: { everyMs: HOUR } }), named('added')], 200);
    // A worker of the old version starts again.
    await old.sync([named('changed'), named('removed')], 100);
    const names = ['added', 'changed', 'removed'];
    t.match(await fresh.list(), [
      { name: 'added', state: 'waiting' },
      { name: 'changed', rhythm: { everyMs: HOUR } },
      { name: 'removed', state: 'gone', nextAt: null },
    ]);
    bench.now += MINUTE;
    t.match(await old.acquire(['changed', 'removed']), { run: undefined });
    t.match(await acquired(fresh, ...names), { name: 'added' });
  });

  test('the history keeps the last runs', async (t, bench) => {
    const store = await bench.handle('cron 7', { history: 3 });
    await store.sync([named('job')], 1);
    for (let n = 1; n <= 5; n += 1) {
      bench.now += MINUTE;
      const run = await acquired(store, 'job');
      bench.now += SECOND;
      if (n === 5) break;
      await store.end(run, n === 4 ? { outcome: 'failed', error: 'Error: no' } : DONE);
    }
    const records = await store.history('job');
    t.same(
      records.map(({ runId, outcome, error }) => [runId, outcome, error]),
      [
        [5, null, null],
        [4, 'failed', 'Error: no'],
        [3, 'done', null],
      ],
    );
    t.match(records[1], { worker: 'cron 7', machine: 'here', attempt: 1 });
    t.equal((records[1]?.endedAt ?? 0) - (records[1]?.startedAt ?? 0), SECOND);
    t.match(await store.list(), [{ state: 'running', running: { runId: 5 }, last: { runId: 4 } }]);
  });

  test('a clock that was set back does not stop a frequent job', async (t, bench) => {
    const store = await bench.handle();
    await store.sync([named('job')], 1);
    bench.now += HOUR;
    await store.end(await acquired(store, 'job'), DONE);
    bench.now -= 2 * HOUR;
    await store.acquire(['job']);
    t.same(await store.acquire(['job']), { run: undefined, dueInMs: 30 * SECOND });
    bench.now += 30 * SECOND;
    t.match(await acquired(store, 'job'), { runId: 2 });
  });

  test('a handle that is closed gives up its runs, and another one finds them', async (t, bench) => {
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('job')], 1);
    bench.now += MINUTE;
    const run = await acquired(one, 'job');
    const taken = takenByWake(two, bench, 'job');
    await one.close();
    t.match(await taken, { runId: run.runId + 1, attempt: 2, scheduledAt: run.scheduledAt });
    t.match(await two.history('job'), [{ runId: 2 }, { runId: 1, outcome: 'lost' }]);
  });

  test('who finds a run without its holder tells what becomes of it', async (t, bench) => {
    const yearly = { rhythm: { cron: '@yearly', timezone: 'UTC' }, timeout: 60 } as const;
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('crashes', yearly), named('sleeps', yearly)], 1);
    await one.trigger('sleeps');
    await acquired(one, 'sleeps');
    bench.now += MINUTE;
    await one.trigger('crashes');
    await acquired(one, 'crashes');
    const found: LostRun[] = [];
    const both = Promise.withResolvers<void>();
    const onFound = (lost: LostRun): void => {
      if (found.push(lost) === 2) both.resolve();
    };
    // PostgreSQL finds the dead by a clock that goes on.
    await two.listen({ onWake: () => void (bench.now += SECOND), onLost: () => {}, onFound });
    await one.close();
    await both.promise;
    found.sort((a, b) => (a.name < b.name ? -1 : 1));
    t.match(found, [
      {
        name: 'crashes',
        runId: 1,
        attempt: 1,
        reason: 'its worker is gone',
        failures: 1,
        again: { attempt: 2, inMs: 0 },
      },
      { name: 'sleeps', reason: /over its timeout, and its worker is gone/, failures: 0, again: { attempt: 2 } },
    ]);
    t.match(await two.history('crashes'), [{ outcome: 'lost', error: 'its worker is gone' }]);
  });

  test('a trigger of one handle wakes another that listens', async (t, bench) => {
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('job', { rhythm: { cron: '@yearly', timezone: 'UTC' } })], 1);
    const wakes: (() => void)[] = [];
    await two.listen({ onWake: () => wakes.shift()?.(), onLost: () => {} });
    for (let n = 1; n <= 3; n += 1) {
      const woken = new Promise<void>((resolve) => wakes.push(resolve));
      await one.trigger('job');
      await woken;
      await two.end(await acquired(two, 'job'), DONE);
    }
    t.equal((await one.history('job')).length, 3);
  });

  test('reopened, it still holds what it held', async (t, bench) => {
    const [one, two] = [await bench.handle(), await bench.handle('cron 2')];
    await one.sync([named('job')], 1);
    bench.now += MINUTE;
    const run = await acquired(one, 'job');
    await one.reopen();
    t.match(await two.acquire(['job']), { run: undefined });
    t.match(await one.end(run, DONE), { isHeld: true });
  });
}
