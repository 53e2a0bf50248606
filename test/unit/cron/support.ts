/** What the tests of cron share: specs, states and times that say only what matters to a test. */
import type { JobSpec } from '../../../src/cron/job.ts';
import { begin, end, type EndContext, type Outcome } from '../../../src/cron/run-state.ts';
import { declared, dueAt, isReady, type JobState } from '../../../src/cron/state.ts';

export const SECOND = 1000;
export const MINUTE: number = 60 * SECOND;
export const HOUR: number = 60 * MINUTE;
export const DAY: number = 24 * HOUR;

/** A moment in UTC: `at('2026-03-29 01:00')`. */
export function at(text: string): number {
  return Date.parse(`${text.replace(' ', 'T')}Z`);
}

/** The moment as it is written for at(), for messages that can be read. */
export function shown(time: number | null | undefined): string {
  return time === null || time === undefined
    ? String(time)
    : new Date(time).toISOString().slice(0, 19).replace('T', ' ');
}

/** A job each minute of UTC, unless said otherwise. */
export function specOf(given: Partial<JobSpec> = {}): JobSpec {
  return {
    name: 'job',
    rhythm: { cron: '* * * * *', timezone: 'UTC' },
    timeout: 0,
    priority: 5,
    missed: 'once',
    retries: 0,
    paused: false,
    ...given,
  };
}

export const limits: EndContext['limits'] = { failures: 5, overMs: 7 * DAY };

/** A job in simulated time: what a store with one worker would do. `random` is 0: the longest wait. */
export class Simulated {
  state: JobState;
  now: number;

  constructor(now: number, spec: Partial<JobSpec> = {}) {
    this.now = now;
    this.state = declared(undefined, specOf(spec), 1, now);
  }

  /** Begins the run that is due now; undefined where none is. */
  begin(): { scheduledAt: string; attempt: number; runId: number } | undefined {
    if (!isReady(this.state, this.now)) return undefined;
    const before = this.state.runId;
    this.state = begin(this.state, 'holder', this.now);
    const { open, runId } = this.state;
    if (runId === before || !open) return undefined;
    return { scheduledAt: shown(open.scheduledAt), attempt: open.attempt, runId };
  }

  end(outcome: Outcome): void {
    this.state = end(this.state, outcome, { now: this.now, limits, random: 0 });
  }

  /** The ticks of all runs that begin until then, each of them taking `tookMs` and ending so. */
  runUntil(until: number, given: Partial<{ outcome: Outcome; tookMs: number; stepMs: number }> = {}): string[] {
    const { outcome = 'done', tookMs = 0, stepMs = SECOND } = given;
    const ticks: string[] = [];
    for (; this.now < until; this.now += stepMs) {
      const run = this.begin();
      if (!run) continue;
      ticks.push(run.scheduledAt);
      this.now += tookMs;
      this.end(outcome);
    }
    return ticks;
  }

  /** The ticks of all runs that begin now, one after the other, without time passing. */
  runAll(): string[] {
    const ticks: string[] = [];
    for (let run = this.begin(); run; run = this.begin()) {
      ticks.push(run.scheduledAt);
      this.end('done');
    }
    return ticks;
  }

  get due(): string {
    return shown(dueAt(this.state));
  }
}
