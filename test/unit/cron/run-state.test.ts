import t from 'tap';
import { nextSlice, progressed, retryWait } from '../../../src/cron/run-state.ts';
import { asPaused, declared, resumed, triggered, undeclared } from '../../../src/cron/state.ts';
import { at, DAY, HOUR, MINUTE, SECOND, Simulated, shown, specOf } from './support.ts';

const START = at('2026-01-01 12:00:30');

t.test('a tick is taken when its run begins, and the fencing number grows', async (t) => {
  const job = new Simulated(START);
  t.equal(job.begin(), undefined, 'nothing is due yet');
  job.now += MINUTE;
  t.same(job.begin(), { scheduledAt: '2026-01-01 12:01:00', attempt: 1, runId: 1 });
  t.equal(job.due, 'null', 'no second run while one is going on');
  job.end('done');
  t.equal(job.begin(), undefined);
  job.now += MINUTE;
  t.match(job.begin(), { runId: 2 });
});

t.test('retries: exponential back-off within the tick, then it is given up', async (t) => {
  const job = new Simulated(START, { ...specOf({ rhythm: { cron: '@hourly', timezone: 'UTC' } }), retries: 2 });
  job.now = at('2026-01-01 13:00');
  for (const [attempt, due] of [
    [1, '2026-01-01 13:00:05'],
    [2, '2026-01-01 13:00:15'],
    [3, '2026-01-01 14:00:00'],
  ] as const) {
    t.match(job.begin(), { scheduledAt: '2026-01-01 13:00:00', attempt });
    job.end('failed');
    t.equal(job.due, due);
    t.equal(job.begin(), undefined, 'not before');
    job.now = at(due);
  }
  t.equal(job.state.failures, 3);
  t.match(job.begin(), { scheduledAt: '2026-01-01 14:00:00', attempt: 1 });
  job.end('done');
  t.equal(job.state.failures, 0, 'success resets');
});

t.test('the waits double up to an hour, a random half off', async (t) => {
  t.same(
    [1, 2, 3, 10, 11, 50].map((n) => retryWait(n, 0)),
    [5000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000],
  );
  t.equal(retryWait(1, 0.5), 3750);
  t.ok(retryWait(1, 0.999_999) >= 2500);
});

t.test('the next tick overtakes a retry that waits, but not where every tick counts', async (t) => {
  const job = new Simulated(START, { retries: 9 });
  job.runUntil(at('2026-01-01 12:02'), { outcome: 'failed' });
  job.now = at('2026-01-01 12:02');
  t.match(job.begin(), { scheduledAt: '2026-01-01 12:02:00', attempt: 1 });
  const all = new Simulated(START, { retries: 9, missed: 'all' });
  all.runUntil(at('2026-01-01 12:02'), { outcome: 'failed' });
  all.now = at('2026-01-01 12:02:20');
  t.match(all.begin(), { scheduledAt: '2026-01-01 12:01:00' });
});

t.test('deactivated at 5 failures over more than 7 days, and not before', async (t) => {
  const often = new Simulated(START);
  often.runUntil(START + DAY, { outcome: 'failed', stepMs: MINUTE });
  t.ok(often.state.failures > 1000);
  t.equal(often.state.deactivatedAt, null, 'many failures within a day');

  const rarely = new Simulated(START, { rhythm: { cron: '0 0 */2 * *', timezone: 'UTC' } });
  const ticks = rarely.runUntil(START + 30 * DAY, { outcome: 'failed', stepMs: HOUR });
  t.equal(ticks.length, 5);
  t.equal(shown(rarely.state.deactivatedAt), '2026-01-11 00:00:30');
  t.equal(rarely.due, 'null');
  rarely.state = resumed(rarely.state, rarely.now);
  t.match(rarely.state, { failures: 0, deactivatedAt: null });
  t.equal(rarely.due, '2026-02-01 00:00:00');
});

t.test('three time-outs in a row without progress are one failure', async (t) => {
  const job = new Simulated(START, { rhythm: { cron: '@daily', timezone: 'UTC' }, timeout: 60 });
  job.now = at('2026-01-02 00:00');
  for (const timeouts of [1, 2, 0]) {
    t.ok(job.begin());
    job.now += MINUTE;
    job.end('timeout');
    t.equal(job.state.timeouts, timeouts);
    t.equal(job.state.failures, timeouts === 0 ? 1 : 0);
    job.now += MINUTE;
  }
  t.equal(job.due, '2026-01-03 00:00:00', 'the tick is given up');
});

t.test('a time-out with progress goes on as a partly done run', async (t) => {
  const job = new Simulated(START, { timeout: 60 });
  job.now += MINUTE;
  job.begin();
  job.state = progressed(job.state, 7, 3);
  job.end('timeout');
  t.match(job.begin(), { scheduledAt: '2026-01-01 12:01:00', attempt: 1 });
  t.match(job.state, { done: 7, timeouts: 0, failures: 0 });
});

t.test('a run that lost its worker is taken up at once, then later and later, and not for ever', async (t) => {
  const job = new Simulated(START, { rhythm: { cron: '@hourly', timezone: 'UTC' } });
  job.now = at('2026-01-01 13:00');
  for (const [attempt, due] of [
    [1, '2026-01-01 13:00:00'],
    [2, '2026-01-01 13:00:05'],
    [3, '2026-01-01 13:00:15'],
    [4, '2026-01-01 14:00:00'],
  ] as const) {
    t.match(job.begin(), { scheduledAt: '2026-01-01 13:00:00', attempt });
    job.end('lost');
    t.equal(job.due, due);
    job.now = at(due);
  }
  t.equal(job.state.failures, 4, 'each counts');
});

t.test(
  'three runs in a row that are killed over their timeout are one failure, and the tick is given up',
  async (t) => {
    const job = new Simulated(START, { rhythm: { cron: '@hourly', timezone: 'UTC' }, timeout: 60 });
    job.now = at('2026-01-01 13:00');
    for (const failures of [0, 0, 1]) {
      t.ok(job.begin());
      job.now += 66 * SECOND;
      job.end('lost');
      t.equal(job.state.failures, failures);
      job.now += MINUTE;
    }
    t.equal(job.due, '2026-01-01 14:00:00');
  },
);

t.test('a run that was killed over its timeout counts as a time-out', async (t) => {
  const job = new Simulated(START, { timeout: 60 });
  job.now += MINUTE;
  job.begin();
  job.now += 66 * SECOND;
  job.end('lost');
  t.match(job.state, { timeouts: 1, failures: 0 });
});

t.test('a run that is cut goes on at once, with another attempt, and counts nothing', async (t) => {
  const job = new Simulated(START);
  job.now += MINUTE;
  job.begin();
  job.end('cut');
  t.match(job.begin(), { scheduledAt: '2026-01-01 12:01:00', attempt: 2, runId: 2 });
  t.equal(job.state.failures, 0);
});

t.test('triggers: one run for all that coalesce, one for each that does not', async (t) => {
  const job = new Simulated(START, { rhythm: { cron: '@yearly', timezone: 'UTC' } });
  const runs = (): number => job.runAll().length;
  const trigger = (coalesce: boolean, time = 0): void => {
    job.state = triggered(job.state, time, coalesce, job.now);
  };
  for (let n = 0; n < 100; n += 1) trigger(true);
  t.equal(job.state.triggers.length, 1);
  t.equal(runs(), 1);
  for (let n = 0; n < 100; n += 1) trigger(false);
  t.equal(job.state.triggers.length, 1);
  t.equal(runs(), 100);
  trigger(true);
  job.begin();
  trigger(true);
  job.end('done');
  t.equal(runs(), 1, 'one that comes while it runs gets a run of its own');
  trigger(true, job.now + MINUTE);
  trigger(true, job.now + HOUR);
  t.equal(job.due, shown(job.now + MINUTE));
  t.equal(job.runUntil(job.now + 2 * HOUR).length, 2, 'two times are two runs');
});

t.test('a trigger does not wait for the back-off of a retry, nor does it make up a tick', async (t) => {
  const job = new Simulated(START, { retries: 3 });
  job.now += MINUTE;
  job.begin();
  job.end('failed');
  job.state = triggered(job.state, 0, true, job.now);
  t.match(job.begin(), { scheduledAt: '2026-01-01 12:01:00', attempt: 2 });
  job.end('done');
  t.equal(job.due, '2026-01-01 12:02:00');
});

t.test('what the job tells of its progress lasts until its tick is done', async (t) => {
  const job = new Simulated(START);
  job.now += MINUTE;
  job.begin();
  job.state = progressed(job.state, 3, 4);
  job.end('partial');
  t.equal(job.due, '2026-01-01 12:01:30');
  t.match(job.begin(), { attempt: 1, runId: 2 });
  t.match(job.state, { done: 3, remaining: 4 });
  job.end('done');
  job.now += MINUTE;
  job.begin();
  t.match(job.state, { done: null, remaining: null });
});

t.test('the next slice of a run that goes on is the same run, and a success', async (t) => {
  const job = new Simulated(START, { timeout: 60 });
  job.now += MINUTE;
  job.begin();
  job.state = progressed({ ...job.state, failures: 2, timeouts: 1 }, 3, 4);
  job.now += 50 * SECOND;
  job.state = nextSlice(job.state, job.now);
  t.match(job.state, {
    runId: 1,
    failures: 0,
    timeouts: 0,
    done: 3,
    running: { startedAt: job.now, progressed: false },
  });
});

t.test('paused: never due; what passes meanwhile is not made up for', async (t) => {
  const job = new Simulated(START);
  job.state = asPaused(job.state);
  t.equal(job.due, 'null');
  job.now += HOUR;
  job.state = resumed(job.state, job.now);
  t.equal(job.due, '2026-01-01 13:01:00');
  t.ok(new Simulated(START, { paused: true }).state.paused, 'as the definition says, at its first sight');
});

t.test('the newer generation wins', async (t) => {
  const hourly = specOf({ rhythm: { cron: '@hourly', timezone: 'UTC' } });
  let state = declared(undefined, specOf(), 100, START);
  state = declared(state, hourly, 200, START);
  t.equal(state.nextTick, at('2026-01-01 13:00'));
  t.equal(declared(state, specOf(), 150, START), state, 'a worker of the older one starts again');
  t.equal(undeclared(state, 150), state, 'nor does a job vanish that an older one does not know');
  state = undeclared(state, 300);
  t.match(state, { gone: true });
  t.match(declared(state, hourly, 200, START), { gone: true });
  t.match(declared(state, hourly, 400, START + DAY), { gone: false, nextTick: at('2026-01-02 13:00') }, 'it is back');
  const paused = asPaused(declared(undefined, specOf(), 1, START));
  t.match(declared(paused, hourly, 2, START), { paused: true }, 'the operator’s word stands');
});
