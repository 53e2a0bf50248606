import t from 'tap';
import { OrphanWatch } from '../../../src/cron/postgres-orphans.ts';
import { Clock } from './simulation.ts';

interface Rig {
  readonly clock: Clock;
  readonly watch: OrphanWatch;
  /** Numbers of runs whose lock is free. */
  readonly orphans: Set<number>;
  /** What it freed, and when. */
  readonly freed: string[];
  /** Lets the time pass, a look at a time. */
  pass(ms: number): Promise<void>;
}

function rig(): Rig {
  const clock = new Clock();
  const begun = clock.now();
  const orphans = new Set<number>();
  const freed: string[] = [];
  const watch = new OrphanWatch({
    look: () => Promise.resolve({ count: 1, orphans: [...orphans].map((runId) => ({ name: 'job', runId })) }),
    free: (_name, runId) => {
      orphans.delete(runId);
      freed.push(`${runId} at ${clock.now() - begun}`);
      return Promise.resolve();
    },
    onFailure: (error) => t.fail(String(error)),
    timers: clock,
  });
  return { clock, watch, orphans, freed, pass: (ms) => clock.advance(ms) };
}

t.test('a lock that is free for a second is of nobody; one that is taken again in between is not', async (t) => {
  const { watch, orphans, freed, pass } = rig();
  watch.start();
  orphans.add(1).add(2);
  await pass(1000);
  orphans.delete(2);
  await pass(250);
  t.same(freed, ['1 at 1250'], 'first seen at 250');
  orphans.add(2);
  await pass(1000);
  t.same(freed, ['1 at 1250']);
  await pass(250);
  t.same(freed, ['1 at 1250', '2 at 2500']);
});

t.test('after the server was away, whoever held a run has 5 s to come back', async (t) => {
  const { watch, orphans, freed, pass } = rig();
  orphans.add(1).add(2);
  watch.back();
  watch.start();
  await pass(4000);
  orphans.delete(2);
  await pass(750);
  t.same(freed, []);
  await pass(250);
  t.same(freed, ['1 at 5000']);
});
