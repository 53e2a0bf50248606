import { once, EventEmitter } from 'node:events';
import t, { type Test } from 'tap';
import type { WatchLimits } from '../../../src/watchdog/loop-watch.ts';
import { Watchdog } from '../../../src/watchdog/watchdog.ts';
import { Ledger } from '../../../src/worker/ledger.ts';
import { recordLog } from '../supervisor/support.ts';

/** A loop that never beats by itself, under a watchdog with short limits. */
async function untilStack(
  t: Test,
  duringStack: (ledger: Ledger) => void,
  limits: readonly WatchLimits[] = [{ cpuMs: Infinity, realMs: 40, realSetting: 'limit_time_real' }],
) {
  const { log, lines } = recordLog();
  const ledger = new Ledger();
  ledger.open();
  const events = new EventEmitter();
  const steps: string[] = [];
  const watched = {
    name: 'worker 1',
    ledger,
    runsJobs: false,
    cpuMs: async () => 0,
    ask: () => void steps.push('ask'),
    stack: async () => {
      duringStack(ledger);
      setImmediate(() => events.emit('after'));
      return { frames: ['    at somewhere'] };
    },
    blame: () => {},
    kill: () => void steps.push('kill'),
  };
  const watchdog = new Watchdog(watched, log);
  t.teardown(() => watchdog.stop());
  // Its timers keep nothing alive by themselves.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  for (const each of limits) watchdog.watch(each);
  await once(events, 'after');
  return { steps, lines };
}

t.test('asked, then killed, with its stack in the log', async (t) => {
  const { steps, lines } = await untilStack(t, () => {});
  t.same(steps, ['ask', 'kill']);
  t.match(lines, [
    { level: 'warn', limit: 'limit_time_real' },
    { level: 'fatal', stack: '    at somewhere', message: 'worker 1: its event loop is stuck and is killed' },
  ]);
});

t.test('one that turns while its stack is taken is not killed', async (t) => {
  const { steps, lines } = await untilStack(t, (ledger) => ledger.beat());
  t.same(steps, ['ask']);
  t.equal(lines.length, 1);
});

/** A loop whose job is over its time, under a watchdog without limits. */
async function untilJobStack(t: Test, duringStack: (ledger: Ledger) => void) {
  const { log, lines } = recordLog();
  const ledger = new Ledger();
  ledger.open();
  ledger.requestBegins('JOB', 'late', performance.now());
  ledger.jobEndsBy(performance.now());
  const events = new EventEmitter();
  const steps: string[] = [];
  const watched = {
    name: 'worker 1',
    ledger,
    runsJobs: true,
    cpuMs: async () => 0,
    ask: () => void steps.push('ask'),
    stack: async () => {
      duringStack(ledger);
      setImmediate(() => events.emit('after'));
      return { frames: ['    at somewhere'], request: 'JOB late' };
    },
    blame: () => void steps.push('blame'),
    kill: () => void steps.push('kill'),
  };
  const watchdog = new Watchdog(watched, log);
  t.teardown(() => watchdog.stop());
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  watchdog.watch({ cpuMs: Infinity, realMs: Infinity, realSetting: 'limit_time_real' });
  await once(events, 'after');
  return { steps, lines };
}

t.test('a job that is over its time is killed with its stack in the log, and is no route to blame', async (t) => {
  const { steps, lines } = await untilJobStack(t, () => {});
  t.same(steps, ['kill']);
  t.match(lines, [{ level: 'fatal', stack: '    at somewhere', requests: [/^JOB late/] }]);
});

t.test('one that ends while its stack is taken is not killed', async (t) => {
  const { steps, lines } = await untilJobStack(t, (ledger) => ledger.jobEndsBy(Infinity));
  t.same([steps, lines], [[], []]);
});

t.test('limits that come while it watches are gone by', async (t) => {
  const limits = (realMs: number): WatchLimits => ({ cpuMs: Infinity, realMs, realSetting: 'limit_time_real' });
  for (const first of [Infinity, 60_000]) {
    const { steps } = await untilStack(t, () => {}, [limits(first), limits(40)]);
    t.same(steps, ['ask', 'kill']);
  }
});
