import t from 'tap';
import { begunRecord, runOf, statusOf } from '../../../src/cron/records.ts';
import type { Outcome } from '../../../src/cron/run-state.ts';
import { asPaused, triggered, undeclared } from '../../../src/cron/state.ts';
import type { RunRecord } from '../../../src/cron/store.ts';
import { waitForEnd } from '../../../src/cron/wait.ts';
import { at, SECOND, Simulated } from './support.ts';

const START = at('2026-01-01 12:00:30');
const yearly = { rhythm: { cron: '@yearly', timezone: 'UTC' } } as const;

/** A job in simulated time with a history; each look at it is followed by the next step of a story. */
class Story {
  readonly job: Simulated;
  readonly said: string[] = [];
  readonly #records: RunRecord[] = [];

  constructor(spec: ConstructorParameters<typeof Simulated>[1] = yearly) {
    this.job = new Simulated(START, spec);
  }

  trigger(): void {
    this.job.state = triggered(this.job.state, this.job.now, true, this.job.now);
  }

  begin(): void {
    this.job.begin();
    const run = runOf(this.job.state);
    if (run) this.#records.unshift(begunRecord(run, { worker: 'cron 1', machine: 'here' }, this.job.now));
  }

  end(outcome: Outcome): void {
    this.job.end(outcome);
    const error = outcome === 'lost' ? 'its worker is gone' : null;
    this.#records[0] = { ...this.#records[0]!, outcome, error, endedAt: this.job.now };
  }

  run(outcome: Outcome, afterMs = 0): void {
    this.job.now += afterMs;
    this.begin();
    this.end(outcome);
  }

  async waitThrough(steps: (() => void)[], before = 0): Promise<string> {
    const verdict = await waitForEnd({
      store: {
        history: async () => [...this.#records],
        list: async () => [statusOf(this.job.state, this.#records)],
      },
      name: 'job',
      before,
      say: (text) => this.said.push(text.trim()),
      pause: async () => {
        const step = steps.shift();
        if (!step) throw new Error('it waits on, and nothing more will happen');
        step();
      },
    });
    return verdict.is === 'blocked' ? verdict.state : `${verdict.run.runId} ${verdict.run.outcome}`;
  }
}

const nothing = (): void => {};

t.test('a run that loses its worker is waited for until it is given up', async (t) => {
  const story = new Story();
  story.trigger();
  const again = (ms: number) => (): void => story.run('lost', ms);
  t.equal(await story.waitThrough([again(0), again(0), again(5 * SECOND), again(10 * SECOND)]), '4 lost');
  t.same(story.said, [
    'job: run 1 was lost: its worker is gone; it is run again at once',
    'job: run 2 was lost: its worker is gone; it is run again in 5 s',
    'job: run 3 was lost: its worker is gone; it is run again in 10 s',
  ]);
});

t.test('where it is well the second time, that is its end', async (t) => {
  const story = new Story();
  story.trigger();
  t.equal(await story.waitThrough([(): void => story.run('lost'), (): void => story.run('done')]), '2 done');
});

t.test('a job that is killed over its timeout: given up after three', async (t) => {
  const story = new Story({ ...yearly, timeout: 1 });
  story.trigger();
  const killed = (): void => {
    story.job.now += 20 * SECOND;
    story.begin();
    story.job.now += 6 * SECOND;
    story.end('lost');
  };
  t.equal(await story.waitThrough([killed, killed, killed]), '3 lost');
  t.match(story.job.state, { failures: 1 });
});

t.test('the next tick overtakes it: it is not waited for any longer', async (t) => {
  const story = new Story({ rhythm: { everyMs: SECOND } });
  story.trigger();
  const steps = [0, 0, SECOND].map((ms) => (): void => story.run('lost', ms));
  t.equal(await story.waitThrough(steps), '2 lost');
});

t.test('what is cut or partly done is followed to its end', async (t) => {
  const story = new Story();
  story.trigger();
  const outcomes = ['cut', 'partial', 'failed'] as const;
  const steps = outcomes.map((outcome) => (): void => story.run(outcome));
  t.equal(await story.waitThrough(steps), '3 failed');
  t.same(story.said, ['job: run 1 was cut; it is run again at once']);
});

t.test('a run that had begun before is not the one that was asked for', async (t) => {
  const story = new Story();
  story.trigger();
  story.begin();
  story.trigger();
  const idle = Array.from({ length: 6 }, () => nothing);
  const steps = [...idle, (): void => story.end('done'), (): void => story.run('done')];
  t.equal(await story.waitThrough(steps, 1), '2 done');
  t.same(story.said[0], 'job: waiting for the end of run 1, which goes on');
});

t.test('nobody takes it: said once, but not at once', async (t) => {
  const story = new Story();
  story.trigger();
  t.equal(await story.waitThrough([nothing, (): void => story.run('done')]), '1 done');
  t.same(story.said, []);
  story.trigger();
  const idle = Array.from({ length: 20 }, () => nothing);
  t.equal(await story.waitThrough([...idle, (): void => story.run('done')], 1), '2 done');
  t.same(story.said, ['job: waiting for a cron worker to take it']);
});

t.test('paused or gone meanwhile: nothing will run it', async (t) => {
  const story = new Story();
  story.trigger();
  t.equal(await story.waitThrough([(): void => void (story.job.state = asPaused(story.job.state))]), 'paused');
  const other = new Story();
  other.trigger();
  t.equal(await other.waitThrough([(): void => void (other.job.state = undeclared(other.job.state, 9))]), 'gone');
  const lost = new Story();
  lost.trigger();
  const steps = [(): void => lost.run('lost'), (): void => void (lost.job.state = asPaused(lost.job.state))];
  t.equal(await lost.waitThrough(steps), '1 lost');
});
