import t from 'tap';
import type { Store } from '../../../src/cron/store.ts';
import { StoreGuard } from '../../../src/cron/store-guard.ts';
import { recordLog } from '../supervisor/support.ts';
import { Clock, MemoryStore, simulate } from './simulation.ts';
import { at, MINUTE, SECOND } from './support.ts';

const EPOCH = at('2026-01-01 12:00:30');
const gone = new Error('connection refused');

t.test('a store that goes away pauses jobs, with one line when it goes and one when it is back', async (t) => {
  let runs = 0;
  const { clock, store, log, guard } = await simulate(t, EPOCH, { job: { run: () => (runs += 1) } });
  await clock.advance(MINUTE);
  store.failure = gone;
  await clock.advance(10 * MINUTE);
  t.equal(runs, 1);
  t.equal(guard.isAway, true);
  t.match(log, [{ level: 'error', message: 'Jobs pause: the store of the jobs, memory: connection refused' }]);
  store.failure = undefined;
  await clock.advance(15 * SECOND);
  t.equal(runs, 2, 'woken, not after a minute');
  t.match(log, [{}, { level: 'info', message: /^The store of the jobs, memory, is back after \d+/ }]);
  t.equal(log.length, 2);
});

t.test('jobs are declared when it is back, if it was away at the start', async (t) => {
  const clock = new Clock();
  const store = new MemoryStore(clock, EPOCH);
  const { log, lines } = recordLog();
  const guard = new StoreGuard(store as unknown as Store, { log, timers: clock, random: () => 1 });
  store.failure = gone;
  let wakes = 0;
  await guard.begin([], 1, { onWake: () => (wakes += 1), onLost: () => {} });
  t.same(await guard.acquire(['job']), { run: undefined, dueInMs: undefined });
  await clock.advance(MINUTE);
  t.equal(store.listeners.length, 0);
  store.failure = undefined;
  await clock.advance(15 * SECOND);
  t.equal(store.listeners.length, 1);
  t.equal(wakes, 1);
  t.same(
    lines.map(({ level }) => level),
    ['error', 'info'],
  );
});

t.test('the waits double up to 15 s, but while a run is held they stay short', async (t) => {
  const idle = await simulate(t, EPOCH, { job: { run: () => {} } });
  idle.store.failure = gone;
  idle.runner.wake();
  await idle.clock.advance(0);
  const waits: number[] = [];
  for (let n = 0; n < 9; n += 1) {
    const [wait = 0] = idle.clock.waits;
    waits.push(wait);
    await idle.clock.advance(wait);
  }
  t.same(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000]);

  const ended = Promise.withResolvers<void>();
  const running = await simulate(t, EPOCH, { job: { run: () => ended.promise } });
  await running.clock.advance(MINUTE / 2);
  running.store.failure = gone;
  t.equal(await running.guard.progress(running.runner.current!, 1, 1), true);
  await running.clock.advance(10 * SECOND);
  t.ok((running.clock.waits[0] ?? Infinity) <= 200);
  running.store.failure = undefined;
  ended.resolve();
  await running.clock.advance(SECOND);
  t.match(running.store.ends, [{ outcome: 'done' }]);
});

t.test('how a run ended is kept until the store is back', async (t) => {
  const { clock, store, guard } = await simulate(t, EPOCH, {
    job: { run: () => void (store.failure = gone) },
  });
  await clock.advance(MINUTE);
  t.equal(guard.isAway, true);
  t.same(store.ends, []);
  store.failure = undefined;
  await clock.advance(SECOND);
  t.match(store.ends, [{ outcome: 'done' }]);
});
