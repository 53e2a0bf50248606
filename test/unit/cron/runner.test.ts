import t from 'tap';
import type { Job } from '../../../src/cron/job.ts';
import type { LostRun } from '../../../src/cron/store.ts';
import { simulate, untilAborted } from './simulation.ts';
import { at, MINUTE, SECOND, shown } from './support.ts';

const EPOCH = at('2026-01-01 12:00:30');
const yearly = { rhythm: { cron: '@yearly', timezone: 'UTC' } };
const forever = (): Promise<never> => new Promise(() => {});

t.test('a job gets its name, number, attempt and tick, when its tick comes', async (t) => {
  const seen: string[] = [];
  const run = ({ name, runId, attempt, scheduledAt }: Job): void => {
    seen.push(`${name} ${runId} ${attempt} ${shown(scheduledAt.getTime())}`);
  };
  const { clock, store } = await simulate(t, EPOCH, { job: { run } });
  await clock.advance(30 * SECOND - 1);
  t.same(seen, []);
  await clock.advance(MINUTE + 1);
  t.same(seen, ['job 1 1 2026-01-01 12:01:00', 'job 2 1 2026-01-01 12:02:00']);
  t.match(store.ends, [{ outcome: 'done' }, { outcome: 'done' }]);
});

t.test('it sleeps until the next job is due, and never longer than 60 s and its number', async (t) => {
  t.same((await simulate(t, EPOCH, { job: { run: forever } }, { number: 3 })).clock.waits, [30 * SECOND]);
  t.same((await simulate(t, EPOCH, { job: { run: forever, ...yearly } }, { number: 3 })).clock.waits, [63 * SECOND]);
});

t.test('a wake-up ends its sleep, and one that comes during a run is not forgotten', async (t) => {
  let runs = 0;
  const ended = Promise.withResolvers<void>();
  const run = (): unknown => ((runs += 1) === 1 ? ended.promise : undefined);
  const { clock, store } = await simulate(t, EPOCH, { job: { run, ...yearly } });
  store.trigger('job');
  await clock.advance(0);
  t.equal(runs, 1);
  store.trigger('job');
  await clock.advance(0);
  t.equal(runs, 1, 'one at a time');
  ended.resolve();
  await clock.advance(0);
  t.equal(runs, 2);
});

t.test('a throw is a failure, told with its stack and with when it goes on', async (t) => {
  const run = (): void => {
    throw new Error('no mail today');
  };
  const { clock, store, log } = await simulate(t, EPOCH, { job: { run, retries: 1 } });
  await clock.advance(30 * SECOND);
  t.match(store.ends, [{ outcome: 'failed', error: /Error: no mail today\n +at / }]);
  t.match(log, [{ level: 'warn', job: 'job', run: 1, message: /has failed; next run 2026-01-01T12:01:05/ }]);
  await clock.advance(5 * SECOND);
  t.equal(store.ends.length, 2, 'the retry');
});

t.test('at its timeout the signal fires; a job that heeds it is a time-out', async (t) => {
  const { clock, store, overdue } = await simulate(t, EPOCH, { job: { run: untilAborted, timeout: 20, ...yearly } });
  store.trigger('job');
  await clock.advance(20 * SECOND - 1);
  t.same(store.ends, []);
  await clock.advance(1);
  t.match(store.ends, [{ outcome: 'timeout', error: /TimeoutError\]: the job has run into its timeout/ }]);
  await clock.advance(10 * SECOND);
  t.same(overdue, []);
});

t.test('one that does not is told as overdue 5 s later', async (t) => {
  const { clock, store, overdue } = await simulate(t, EPOCH, { job: { run: forever, timeout: 20, ...yearly } });
  store.trigger('job');
  await clock.advance(25 * SECOND - 1);
  t.same(overdue, []);
  await clock.advance(1);
  t.same(overdue, ['job']);
});

t.test('another timeout counts from the begin of the run that goes on, and the store judges by it', async (t) => {
  const { clock, store, overdue, retime } = await simulate(t, EPOCH, {
    job: { run: untilAborted, timeout: 20, ...yearly },
  });
  store.trigger('job');
  await clock.advance(10 * SECOND);
  retime(30);
  await clock.advance(0);
  t.equal(store.states.get('job')?.spec.timeout, 30);
  await clock.advance(20 * SECOND - 1);
  t.same(store.ends, []);
  await clock.advance(1);
  t.match(store.ends, [{ outcome: 'timeout' }], 'later than before');
  store.trigger('job');
  await clock.advance(10 * SECOND);
  retime(0);
  await clock.advance(MINUTE);
  t.equal(store.ends.length, 1, 'never');
  retime(5);
  await clock.advance(0);
  t.equal(store.ends.length, 2, 'at once');
  await clock.advance(4 * SECOND);
  t.same(overdue, []);
});

t.test('one that was told by its signal already has no more time by another timeout', async (t) => {
  const { clock, store, overdue, retime } = await simulate(t, EPOCH, { job: { run: forever, timeout: 20, ...yearly } });
  store.trigger('job');
  await clock.advance(20 * SECOND);
  retime(60);
  await clock.advance(5 * SECOND);
  t.same(overdue, ['job']);
});

t.test('a timeout that changes while the store is away is told when it is back', async (t) => {
  const { clock, store, retime } = await simulate(t, EPOCH, { job: { run: forever, timeout: 20, ...yearly } });
  store.failure = new Error('connection refused');
  retime(7);
  await clock.advance(SECOND);
  t.equal(store.states.get('job')?.spec.timeout, 20, 'the store is away');
  store.failure = undefined;
  await clock.advance(SECOND);
  t.equal(store.states.get('job')?.spec.timeout, 7);
});

t.test('three time-outs in a row without progress are a failure; with progress they are none', async (t) => {
  const stuck = await simulate(t, EPOCH, { job: { run: untilAborted, timeout: 1, ...yearly } });
  stuck.store.trigger('job');
  await stuck.clock.advance(MINUTE);
  t.equal(stuck.store.ends.length, 3);
  t.match(stuck.store.states.get('job'), { failures: 1, timeouts: 0, open: null });

  let done = 0;
  const run = async (job: Job): Promise<void> => {
    await job.progress((done += 1), 10 - done);
    if (done < 10) await untilAborted(job);
  };
  const slow = await simulate(t, EPOCH, { job: { run, timeout: 1, ...yearly } });
  slow.store.trigger('job');
  await slow.clock.advance(MINUTE);
  t.equal(slow.store.ends.filter(({ outcome }) => outcome === 'timeout').length, 9);
  t.match(slow.store.states.get('job'), { failures: 0, open: null });
});

t.test('progress tells the seconds left of the slice, and of the timeout where that is shorter', async (t) => {
  const left: number[] = [];
  const run = async (job: Job): Promise<void> => {
    left.push(await job.progress(1, 1));
    await new Promise<void>((resolve) => void clock.after(4 * SECOND, resolve));
    left.push(await job.progress(2, 0));
  };
  const { clock, store } = await simulate(t, EPOCH, {
    long: { run, ...yearly },
    short: { run, timeout: 6, ...yearly },
  });
  store.trigger('long');
  await clock.advance(5 * SECOND);
  store.trigger('short');
  await clock.advance(5 * SECOND);
  t.same(left, [10, 6, 6, 2]);
  t.match(store.ends, [{ outcome: 'done' }, { outcome: 'done' }]);
});

t.test('a partly done job that is alone goes on in a row for 10 slices or 10 s, whichever is longer', async (t) => {
  for (const [sliceMs, slices] of [
    [10, 1000],
    [5000, 10],
  ] as const) {
    let runs = 0;
    const run = async (job: Job): Promise<void> => {
      runs += 1;
      await job.progress(runs, 1);
      await new Promise<void>((resolve) => void clock.after(sliceMs, resolve));
    };
    const { clock, store } = await simulate(t, EPOCH, { job: { run, ...yearly } });
    store.trigger('job');
    while (store.states.get('job')!.runId < 2) await clock.advance(sliceMs);
    t.equal(store.ends.length, slices);
    t.ok(store.ends.slice(0, -1).every(({ unlessDue }) => unlessDue !== undefined));
    t.equal(store.ends.at(-1)?.unlessDue, undefined, 'then it lets go, so that others see it');
  }
});

t.test('a partly done job lets others have their turn, whatever its priority', async (t) => {
  const order: string[] = [];
  let left = 4;
  const partly = async (job: Job): Promise<void> => {
    order.push('partly');
    store.trigger('other');
    await job.progress(5 - left, (left -= 1));
  };
  const other = (): unknown => order.push('other');
  const { clock, store } = await simulate(t, EPOCH, {
    partly: { run: partly, priority: 0, ...yearly },
    other: { run: other, priority: 9, ...yearly },
  });
  store.trigger('partly');
  await clock.advance(SECOND);
  t.same(order, ['partly', 'other', 'partly', 'other', 'partly', 'other', 'partly', 'other']);
});

t.test('drain: the job may finish, and no other begins', async (t) => {
  const ended = Promise.withResolvers<void>();
  const { clock, store, runner } = await simulate(t, EPOCH, { job: { run: () => ended.promise, ...yearly } });
  store.trigger('job');
  await clock.advance(0);
  store.trigger('job');
  const drained = runner.drain(30 * SECOND);
  await clock.advance(29 * SECOND);
  t.match(runner.current, { name: 'job', runId: 1 });
  ended.resolve();
  await drained;
  t.match(store.ends, [{ outcome: 'done' }]);
  t.equal(runner.current, undefined);
});

t.test('drain: one that is sliced is asked to return, and goes on elsewhere', async (t) => {
  const left: number[] = [];
  const run = async (job: Job): Promise<void> => {
    for (let seconds = 1, done = 1; seconds > 0; done += 1) {
      seconds = await job.progress(done, 100 - done);
      left.push(seconds);
      await new Promise<void>((resolve) => void clock.after(SECOND, resolve));
    }
  };
  const { clock, store, runner } = await simulate(t, EPOCH, { job: { run, ...yearly } });
  store.trigger('job');
  await clock.advance(2500);
  const drained = runner.drain(30 * SECOND);
  await clock.advance(3 * SECOND);
  await drained;
  t.same(left, [10, 9, 8, 0]);
  t.match(store.ends, [{ outcome: 'partial' }]);
});

t.test('drain: one that takes longer is told by its signal, then cut and given back', async (t) => {
  const heeds = await simulate(t, EPOCH, { job: { run: untilAborted, ...yearly } });
  heeds.store.trigger('job');
  await heeds.clock.advance(0);
  const told = heeds.runner.drain(30 * SECOND);
  await heeds.clock.advance(30 * SECOND);
  await told;
  t.match(heeds.store.ends, [{ outcome: 'cut', error: /AbortError\]: the worker stops/ }]);
  t.match(heeds.log, [
    { level: 'info', job: 'job', run: 1, message: /^The run 1 of the job job has ended by its signal/ },
  ]);

  const { clock, store, runner, log } = await simulate(t, EPOCH, { job: { run: forever, ...yearly } });
  store.trigger('job');
  await clock.advance(0);
  const drained = runner.drain(30 * SECOND);
  await clock.advance(35 * SECOND - 1);
  t.same(log, []);
  t.same(store.ends, []);
  await clock.advance(1);
  await drained;
  t.match(store.ends, [{ outcome: 'cut', error: 'it did not end within 5 s of its signal' }]);
  t.match(store.states.get('job'), { running: null, open: { why: 'cut' }, failures: 0 });
  t.match(log, [{ level: 'warn', job: 'job', run: 1, message: /^The run 1 of the job job is cut: its worker stops/ }]);
  t.equal(log.length, 1);
});

t.test('a run that is lost to somebody else is told so, and its end is not kept', async (t) => {
  let signal: AbortSignal | undefined;
  const run = async (job: Job): Promise<void> => {
    signal = job.signal;
    await untilAborted(job);
  };
  const { clock, store, log } = await simulate(t, EPOCH, { job: { run, ...yearly } });
  store.trigger('job');
  await clock.advance(0);
  store.listeners[0]?.onLost({ name: 'job', runId: 1, attempt: 1, scheduledAt: 0, done: null, remaining: null });
  await clock.advance(0);
  t.equal(signal?.aborted, true);
  t.same(store.ends, []);
  t.match(log, [{ level: 'warn', message: /was lost to another worker/ }]);
});

t.test('one that has ended, which the store is yet to be told, is not cut', async (t) => {
  const { clock, store, runner, log } = await simulate(t, EPOCH, {
    job: { run: () => void (store.failure = new Error('connection refused')), ...yearly },
  });
  store.trigger('job');
  await clock.advance(0);
  const drained = runner.drain(0);
  await clock.advance(10 * SECOND);
  store.failure = undefined;
  await clock.advance(SECOND);
  await drained;
  t.match(store.ends, [{ outcome: 'done' }]);
  t.notOk(log.some(({ message }) => /is cut/.test(String(message))));
});

t.test('who finds a run without its worker says what becomes of it', async (t) => {
  const { store, log } = await simulate(t, EPOCH, { job: { run: forever, ...yearly } });
  const found = {
    name: 'exits',
    runId: 4,
    attempt: 1,
    reason: 'its worker is gone',
    failures: 1,
    isDeactivated: false,
  };
  const tell = (given: Partial<LostRun>): void =>
    store.listeners[0]?.onFound?.({ ...found, again: null, isGivenUp: false, ...given });
  tell({ again: { attempt: 2, inMs: 4700 } });
  tell({ again: { attempt: 2, inMs: 0 } });
  tell({ isGivenUp: true, attempt: 4 });
  tell({ isDeactivated: true, failures: 5 });
  const was = 'The run 4 of the job exits was lost: its worker is gone; it';
  t.same(
    log.map(({ level, message }) => [level, message]),
    [
      ['warn', `${was} is run again in 5 s (attempt 2)`],
      ['warn', `${was} is run again at once (attempt 2)`],
      ['warn', `${was} is given up after 4 attempts`],
      ['warn', `${was} waits, for the job is paused, deactivated or gone`],
      ['error', 'The job exits is deactivated after 5 failures; `tricorn resume exits` activates it again'],
    ],
  );
  t.match(log[0], { job: 'exits', run: 4, attempt: 1, outcome: 'lost' });
});

t.test('progress of a run that is lost aborts it', async (t) => {
  let aborted: boolean | undefined;
  const run = async (job: Job): Promise<void> => {
    const state = store.states.get('job')!;
    store.states.set('job', { ...state, running: { ...state.running!, runId: 2 } });
    t.equal(await job.progress(1, 1), 0);
    aborted = job.signal.aborted;
  };
  const { clock, store } = await simulate(t, EPOCH, { job: { run, ...yearly } });
  store.trigger('job');
  await clock.advance(0);
  t.equal(aborted, true);
});

t.test('progress refuses what are no numbers', async (t) => {
  const run = (job: Job): unknown => job.progress(Number.NaN, 1);
  const { clock, store } = await simulate(t, EPOCH, { job: { run, ...yearly } });
  store.trigger('job');
  await clock.advance(0);
  t.match(store.ends, [{ outcome: 'failed', error: /progress\(\) takes two numbers/ }]);
});

t.test('an error that nobody caught is a failure of the run, though the job never ends', async (t) => {
  const { clock, store, runner } = await simulate(t, EPOCH, { job: { run: forever } });
  await clock.advance(30 * SECOND);
  runner.fail(new Error('from a timer'));
  await clock.advance(0);
  t.match(store.ends, [{ outcome: 'failed', error: /from a timer/ }]);
});

t.test('one that rests takes no job, for 30 s; whoever replaces it is there by then, or it goes on', async (t) => {
  let runs = 0;
  const { clock, store, runner } = await simulate(t, EPOCH, { job: { run: () => void (runs += 1), ...yearly } });
  runner.rest();
  store.trigger('job');
  await clock.advance(30 * SECOND - 1);
  t.equal(runs, 0);
  await clock.advance(1);
  t.equal(runs, 1);
});

t.test('a drain ends its rest', async (t) => {
  const { clock, store, runner } = await simulate(t, EPOCH, { job: { run: forever, ...yearly } });
  runner.rest();
  store.trigger('job');
  await clock.advance(1);
  await runner.drain(0);
  t.equal(runner.current, undefined);
});

t.test('a job that is acquired while the order to drain comes is given back', async (t) => {
  let runs = 0;
  const { clock, store, runner } = await simulate(t, EPOCH, { job: { run: () => (runs += 1), ...yearly } });
  const acquire = store.acquire.bind(store);
  store.acquire = async (names) => {
    const acquired = await acquire(names);
    void runner.drain(MINUTE);
    return acquired;
  };
  store.trigger('job');
  await clock.advance(0);
  t.equal(runs, 0);
  t.match(store.ends, [{ outcome: 'cut' }]);
});
