/**
 * The loop of one cron worker. Lives where the app runs: it takes the job that is first, runs it to its end, and so on. It never
 * runs two at a time.
 *
 * | state | entered by | left by |
 * | --- | --- | --- |
 * | asking | start(), a wake-up, the end of a run | the store's answer |
 * | waiting | nothing is due | the next job's due time, a wake-up, or 60 s + its number |
 * | resting | rest(), once no job runs | drain(), or 30 s |
 * | running | a job was acquired | its end |
 * | drained | drain(), once no job runs | never |
 */
import type pino from 'pino';
import type { JobSpec, KnownJob } from './job.ts';
import { JobRun } from './job-run.ts';
import { tellDeactivated, tellLostRun } from './lost-run.ts';
import type { Ended, EndRequest, LostRun, Run } from './store.ts';
import type { StoreGuard } from './store-guard.ts';
import { AFTER_SIGNAL_MS, realTimers, type Timers } from './timers.ts';

/** It looks at least as often, plus a second for each number: many workers must not come all at once. */
const LONGEST_WAIT_MS = 60_000;
/** What a partly done job may take in a row where nobody else waits: until both are over. */
const SLICES = 10;
const IN_A_ROW_MS = 10_000;
/** So long it waits for whoever is to replace it, and takes no job that would have to be cut. */
const REST_MS = 30_000;

export interface RunnerOptions {
  readonly guard: StoreGuard;
  readonly jobs: ReadonlyMap<string, KnownJob>;
  /** Of the cron worker, from 1. */
  readonly number: number;
  readonly log: pino.Logger;
  /** A job goes on 5 s after its timeout: its worker is to be killed, with its stack in the log. */
  readonly onOverdue: (run: Run) => void;
  /** A run begins; undefined: it has ended. For the flight record. */
  readonly onRun?: (run: Run | undefined) => void;
  readonly timers?: Timers;
}

export class CronRunner {
  readonly #options: RunnerOptions;
  readonly #timers: Timers;
  readonly #names: readonly string[];
  #jobs: ReadonlyMap<string, KnownJob>;
  #current: JobRun | undefined;
  #isDraining = false;
  #isWoken = false;
  #restsUntil = 0;
  #wake: (() => void) | undefined;
  readonly #isDeclared: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #loop: Promise<void> | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
    this.#jobs = options.jobs;
    this.#names = [...options.jobs.keys()];
  }

  /** What it runs. */
  get current(): Run | undefined {
    return this.#current?.run;
  }

  /**
   * Where the store is away, jobs begin when it is back. Resolves when it knows the jobs, or is known to be away.
   *
   * @param since when the generation began to serve, milliseconds since 1970: the same for all of its workers
   */
  start(since: number): Promise<void> {
    this.#loop ??= this.#begin(since);
    return this.#isDeclared.promise;
  }

  /**
   * Takes no further job. The one that runs may finish within the limit; then it is told by its signal, and 5 s later its run
   * is given back, so that another worker takes it up.
   *
   * @param graceMs graceful_timeout
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    this.#current?.drain();
    this.wake();
    let cancel = this.#timers.after(graceMs, () => {
      this.#current?.abort('cut');
      cancel = this.#timers.after(AFTER_SIGNAL_MS, () => this.#cut());
    });
    await this.#loop;
    cancel();
  }

  /** Told at once, not once it is stored: a store that is away is not waited for in a stop. */
  #cut(): void {
    this.#current?.cut();
    if (!this.#current?.isCut) return;
    const { name, runId, attempt } = this.#current.run;
    this.#options.log.warn(
      { job: name, run: runId, attempt },
      `The run ${runId} of the job ${name} is cut: its worker stops, and it has not ended within 5 s of its signal; it is run again`,
    );
  }

  /** The job that runs threw where nobody caught it: its run has failed. */
  fail(error: unknown): void {
    this.#current?.fail(error);
  }

  /** Asks the store anew, now or after the run that is going on. */
  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** The same jobs with other time-outs, which count for the run that goes on, too. The store judges by them as well. */
  retime(jobs: ReadonlyMap<string, KnownJob>): void {
    this.#jobs = jobs;
    const job = this.#current && jobs.get(this.#current.run.name);
    if (job) this.#current?.retime(job.spec.timeout);
    void this.#options.guard.declareAnew(this.#specs);
  }

  get #specs(): JobSpec[] {
    return [...this.#jobs.values()].map(({ spec }) => spec);
  }

  /** It is about to be replaced. Where it is not, it goes on: better that than nobody. */
  rest(): void {
    this.#restsUntil = this.#timers.now() + REST_MS;
  }

  async #begin(since: number): Promise<void> {
    const { guard, log } = this.#options;
    const onLost = (run: Run): void => this.#lost(run);
    const onFound = (lost: LostRun): void => tellLostRun(log, lost);
    await guard.begin(this.#specs, since, { onWake: () => this.wake(), onLost, onFound });
    this.#isDeclared.resolve();
    while (!this.#isDraining) {
      this.#isWoken = false;
      const restMs = this.#restsUntil - this.#timers.now();
      if (restMs > 0) {
        await this.#wait(restMs);
        continue;
      }
      try {
        const { run, dueInMs } = await guard.acquire(this.#names);
        await (run ? this.#carryOut(run) : this.#wait(dueInMs));
      } catch (error) {
        log.error({ err: error }, 'The loop of the cron worker has met an error of its own');
        await this.#wait(undefined);
      }
    }
  }

  async #wait(dueInMs = Infinity): Promise<void> {
    if (this.#isWoken || this.#isDraining) return;
    const longest = LONGEST_WAIT_MS + this.#options.number * 1000;
    await new Promise<void>((resolve) => {
      const cancel = this.#timers.after(Math.min(dueInMs, longest), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  async #carryOut(run: Run): Promise<void> {
    const { guard, onOverdue, log } = this.#options;
    const job = this.#jobs.get(run.name);
    if (!job) return;
    // The order came while the store was asked.
    if (this.#isDraining) return void (await guard.end(run, { outcome: 'cut' }));
    const progress = guard.progress.bind(guard);
    const current = new JobRun({ run, job, log, timers: this.#timers, progress, onOverdue });
    this.#current = current;
    this.#options.onRun?.(run);
    try {
      await this.#slices(current);
    } finally {
      this.#current = undefined;
      this.#options.onRun?.(undefined);
    }
  }

  async #slices(current: JobRun): Promise<void> {
    const { guard } = this.#options;
    const began = this.#timers.now();
    for (let slices = 1; ; slices += 1) {
      const request = await current.slice();
      if (!request) return this.#tellLost(current.run);
      const isInTime = slices < SLICES || this.#timers.now() - began < IN_A_ROW_MS;
      const mayGoOn = request.outcome === 'partial' && isInTime && !this.#isDraining;
      const ended = await guard.end(current.run, { ...request, ...(mayGoOn ? { unlessDue: this.#names } : {}) });
      if (!ended.isHeld) return this.#tellLost(current.run);
      if (ended.goesOn) continue;
      return this.#tell(current, request, ended, this.#timers.now() - began);
    }
  }

  #lost(run: Run): void {
    if (this.#current?.run.runId === run.runId && this.#current.run.name === run.name) this.#current.abort('lost');
  }

  #tellLost({ name, runId }: Run): void {
    this.#options.log.warn(
      { job: name, run: runId },
      `The run of ${name} was lost to another worker: its end is not kept`,
    );
  }

  #tell({ run, isCut }: JobRun, { outcome, error }: EndRequest, ended: Ended, ms: number): void {
    const { log } = this.#options;
    const { name, runId, attempt } = run;
    const fields = { job: name, run: runId, attempt, outcome, ms: Math.round(ms), ...(error ? { error } : {}) };
    if (outcome === 'failed' || outcome === 'timeout') {
      const next = ended.nextAt === null ? '' : `; next run ${new Date(ended.nextAt).toISOString()}`;
      log.warn(fields, `The job ${name} ${outcome === 'failed' ? 'has failed' : 'was over its timeout'}${next}`);
    } else if (outcome === 'cut' && !isCut) {
      log.info(
        fields,
        `The run ${runId} of the job ${name} has ended by its signal: its worker stops; it is run again`,
      );
    } else log.debug(fields, `The job ${name} has ended: ${outcome}`);
    if (ended.isDeactivated) tellDeactivated(log, name, ended.failures);
  }
}
