/** Cron in simulated time: timers that a test moves on, and a store in memory that can be sent away. */
import { setImmediate as turn } from 'node:timers/promises';
import pino from 'pino';
import type { Test } from 'tap';
import type { Job, JobDefinition, JobSpec } from '../../../src/cron/job.ts';
import { inOrder } from '../../../src/cron/order.ts';
import { candidateOf, endedOf, isRunning, NOT_HELD, runOf } from '../../../src/cron/records.ts';
import { begin, end, nextSlice, progressed } from '../../../src/cron/run-state.ts';
import { CronRunner, type RunnerOptions } from '../../../src/cron/runner.ts';
import { declared, dueAt, isReady, triggered, type JobState } from '../../../src/cron/state.ts';
import { StoreGuard } from '../../../src/cron/store-guard.ts';
import type { Acquired, Ended, EndRequest, Run, Store, StoreListener } from '../../../src/cron/store.ts';
import type { Timers } from '../../../src/cron/timers.ts';
import { storeError } from '../../../src/cron/store-errors.ts';
import { recordLog, type Line } from '../supervisor/support.ts';
import { limits, specOf } from './support.ts';

interface Pending {
  readonly at: number;
  readonly call: () => void;
}

export class Clock implements Timers {
  time = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return this.time;
  }

  after(ms: number, call: () => void): () => void {
    const pending = { at: this.time + ms, call };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  /** Milliseconds until each of the timers. */
  get waits(): number[] {
    return [...this.#pending].map(({ at }) => at - this.time).sort((a, b) => a - b);
  }

  /** Lets that time pass: what is due meanwhile is called at its time, and all that follows from it is done. */
  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    for (await settled(); ; await settled()) {
      const [next] = [...this.#pending].sort((a, b) => a.at - b.at);
      if (!next || next.at > until) break;
      this.#pending.delete(next);
      this.time = next.at;
      next.call();
    }
    this.time = until;
  }
}

/** Nothing here waits for anything but promises: a few turns, and all of them have gone on. */
async function settled(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await turn();
}

/** The part of a store that runners use, for one process. */
export class MemoryStore implements Pick<
  Store,
  'place' | 'sync' | 'acquire' | 'progress' | 'end' | 'listen' | 'reopen'
> {
  readonly place: string = 'memory';
  readonly states: Map<string, JobState> = new Map();
  readonly ends: EndRequest[] = [];
  readonly listeners: StoreListener[] = [];
  /** Whatever is asked, this is the answer. */
  failure: Error | undefined;
  reopened = 0;
  readonly #clock: Clock;
  readonly #epoch: number;

  constructor(clock: Clock, epoch: number) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  get #now(): number {
    return this.#epoch + this.#clock.time;
  }

  async sync(specs: readonly JobSpec[], since: number): Promise<void> {
    this.#check();
    for (const spec of specs) this.states.set(spec.name, declared(this.states.get(spec.name), spec, since, this.#now));
  }

  async acquire(names: readonly string[]): Promise<Acquired> {
    this.#check();
    for (const { name } of this.#candidates(names)) {
      const state = begin(this.states.get(name)!, 'memory', this.#now);
      this.states.set(name, state);
      const run = runOf(state);
      if (run) return { run, dueInMs: undefined };
    }
    const times = [...this.states.values()].map(dueAt).filter((time) => time !== null);
    return { run: undefined, dueInMs: times.length === 0 ? undefined : Math.max(0, Math.min(...times) - this.#now) };
  }

  async progress(run: Run, done: number, remaining: number): Promise<boolean> {
    this.#check();
    const state = this.states.get(run.name);
    if (!isRunning(state, run)) return false;
    this.states.set(run.name, progressed(state, done, remaining));
    return true;
  }

  async end(run: Run, request: EndRequest): Promise<Ended> {
    this.#check();
    const state = this.states.get(run.name);
    if (!isRunning(state, run)) return NOT_HELD;
    this.ends.push(request);
    const goesOn = request.unlessDue !== undefined && this.#candidates(request.unlessDue).length === 0;
    const next = goesOn
      ? nextSlice(state, this.#now)
      : end(state, request.outcome, { now: this.#now, limits, random: 0 });
    this.states.set(run.name, next);
    return endedOf(next, goesOn);
  }

  async listen(listener: StoreListener): Promise<void> {
    this.listeners.push(listener);
  }

  async reopen(): Promise<void> {
    this.#check();
    this.reopened += 1;
  }

  trigger(name: string): void {
    this.states.set(name, triggered(this.states.get(name)!, 0, true, this.#now));
    for (const { onWake } of this.listeners) onWake();
  }

  #candidates(names: readonly string[]): ReturnType<typeof inOrder> {
    const ready = names.flatMap((name) => this.states.get(name) ?? []).filter((state) => isReady(state, this.#now));
    return inOrder(ready.map(candidateOf));
  }

  #check(): void {
    if (this.failure) throw storeError(this.place, this.failure.message);
  }
}

export interface Simulation {
  readonly clock: Clock;
  /** Gives all jobs this timeout, seconds. */
  retime(timeout: number): void;
  readonly store: MemoryStore;
  readonly guard: StoreGuard;
  readonly runner: CronRunner;
  readonly log: readonly Line[];
  /** The names of the jobs whose time-out the watchdog would have to see to. */
  readonly overdue: string[];
}

type Jobs = Readonly<Record<string, { readonly run: JobDefinition['run'] } & Partial<JobSpec>>>;

/** A runner that has been started. */
export async function simulate(
  t: Test,
  epoch: number,
  given: Jobs,
  more: Partial<RunnerOptions> = {},
): Promise<Simulation> {
  const clock = new Clock();
  const store = new MemoryStore(clock, epoch);
  const { log: all, lines } = recordLog();
  const recorded = { ...all, debug: (): void => {} };
  const guard = new StoreGuard(store as unknown as Store, { log: recorded, timers: clock, random: () => 1 });
  const jobs = new Map(
    Object.entries(given).map(([name, { run, ...spec }]) => [name, { run, spec: specOf({ ...spec, name }) }]),
  );
  const retime = (timeout: number): void =>
    runner.retime(new Map([...jobs].map(([name, { run, spec }]) => [name, { run, spec: { ...spec, timeout } }])));
  const overdue: string[] = [];
  // Jobs get children of it.
  const log = Object.assign(pino({ level: 'silent' }), recorded);
  const options = {
    guard,
    jobs,
    number: 1,
    log,
    timers: clock,
    onOverdue: (run: Run) => overdue.push(run.name),
  };
  const runner = new CronRunner({ ...options, ...more });
  void runner.start(1);
  await clock.advance(0);
  t.teardown(async () => {
    const drained = runner.drain(0);
    await clock.advance(10_000);
    await drained;
  });
  return { clock, retime, store, guard, runner, log: lines, overdue };
}

/** Rejects when the job is told to stop. */
export function untilAborted({ signal }: Job): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}
