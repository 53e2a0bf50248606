/**
 * An event loop that runs the app's jobs, one at a time. It never serves: it is in a cron worker's main thread (prefork,
 * evented) or in one of its threads (threaded), and mounts the app as any other loop does, with the role `cron`.
 *
 * States: running -> draining (by drain()) -> drained. What the runner does while it runs is written down in
 * src/cron/runner.ts.
 */
import type { Socket } from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { mountApp, type MountedApp } from '../app/mount.ts';
import type { DeclaredJob, Job, KnownJob } from '../cron/job.ts';
import { AFTER_SIGNAL_MS, PUBLISH_MS } from '../cron/timers.ts';
import { CronRunner } from '../cron/runner.ts';
import { StoreGuard } from '../cron/store-guard.ts';
import type { Run } from '../cron/store.ts';
import { provideStore } from '../cron/trigger.ts';
import type { LoopUsage } from '../protocol.ts';
import { defaultTimeout } from '../watchdog/limits.ts';
import { contextOf } from './context-of.ts';
import { currentJob, JOB, runForJob } from './current-request.ts';
import { HealthWatch } from './health-watch.ts';
import { LoopGauge } from './loop-gauge.ts';
import type { Loop, LoopOptions } from './loop.ts';
import { soon, storeOf } from './store-of.ts';
import { Wear } from './wear.ts';

/** A slice of a job whose code runs. */
interface Slice {
  readonly spec: DeclaredJob['spec'];
  readonly signal: AbortSignal;
  /** performance.now() */
  readonly began: number;
}

/** The stop hooks get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

/** So long a run that was cut may take to be given back, milliseconds; and so long a stop waits for a store in vain. */
const END_MS = 1000;
/** So long it waits where the store is to be told how a run has ended, which would be run again. Milliseconds. */
const TELL_MS = 5000;

export class CronLoop implements Loop {
  readonly form: string;
  readonly jobs: number;
  readonly #options: LoopOptions;
  readonly #app: MountedApp;
  readonly #guard: StoreGuard;
  readonly #runner: CronRunner;
  readonly #gauge: LoopGauge = new LoopGauge();
  readonly #wear: Wear;
  readonly #health: HealthWatch;
  /** Seconds that a job may take which names no timeout. */
  #timeout: number;
  #slot: number | undefined;
  #slice: Slice | undefined;
  /** The last run of a job's code. */
  #code: Promise<void> | undefined;

  private constructor(options: LoopOptions, app: MountedApp, guard: StoreGuard) {
    this.form = app.form;
    this.jobs = app.jobs.size;
    this.#options = options;
    this.#app = app;
    this.#guard = guard;
    const { boot, terms, log } = options;
    this.#timeout = defaultTimeout(terms.config);
    this.#health = new HealthWatch({
      ask: app.health,
      log: log.log,
      onChange: options.onHealth,
      bootTimeout: boot.config.boot_timeout,
    });
    // A job may take longer than graceful_timeout: no recycling that can wait is to cut it.
    const onWorn = (reason: string): void => {
      this.#runner.rest();
      options.onWorn(reason);
    };
    this.#wear = new Wear({ ...options, onWorn }, () => this.#runner.current !== undefined);
    this.#runner = new CronRunner({
      guard,
      jobs: this.#knownJobs,
      number: boot.thread === 0 ? boot.worker : boot.thread,
      log: log.log,
      onOverdue: () => options.ledger.jobEndsBy(performance.now()),
      onRun: (run) => this.#onRun(run),
    });
    terms.follow((config) => this.#retime(defaultTimeout(config)));
  }

  static async load(options: LoopOptions): Promise<CronLoop> {
    const { boot, log } = options;
    const store = await storeOf(boot, log);
    // Its own handle: what the app triggers goes the same way as what it runs.
    provideStore(() => Promise.resolve(store));
    const app = await mountApp(contextOf(boot, log));
    return new CronLoop(options, app, new StoreGuard(store, { log: log.log }));
  }

  /** It touches no job before its generation serves: one that fails must leave the schedules as they were. */
  async start(): Promise<void> {
    await this.#app.start();
    await this.#health.start();
  }

  /** A store that is away is not waited for: jobs begin when it is there. */
  async publish(since: number): Promise<void> {
    await Promise.race([this.#runner.start(since), pass(PUBLISH_MS, undefined, { ref: false })]);
  }

  accept(socket: Socket): void {
    socket.destroy();
  }

  /** The job that runs may finish; whatever is not done by then is given back, and taken up by another worker. */
  async drain(): Promise<void> {
    const begun = performance.now();
    this.#health.stop();
    const limit = this.#options.boot.config.graceful_timeout * 1000;
    const late = pass(limit + AFTER_SIGNAL_MS + END_MS, undefined, { ref: false });
    await Promise.race([this.#runner.drain(limit), this.#storeIsLate(), late]);
    try {
      await this.#app.stop(Math.max(LEAST_HOOK_MS, limit - (performance.now() - begun)));
    } finally {
      await soon(this.#guard.close());
    }
  }

  /** A store that is away keeps the runner waiting, though no job runs: others will find that its run was lost. */
  async #storeIsLate(): Promise<void> {
    const isToTell = this.#runner.current !== undefined;
    await this.#code;
    await pass(isToTell ? TELL_MS : END_MS, undefined, { ref: false });
  }

  async usage(): Promise<LoopUsage> {
    const { requests, inflight } = this.#options.ledger;
    return {
      thread: this.#options.boot.thread,
      requests,
      inflight,
      connections: 0,
      waiting: 0,
      refused: 0,
      ...this.#gauge.read(),
      heap: getHeapStatistics().used_heap_size,
      app: (await this.#app.stats()) ?? null,
      unhealthy: this.#health.unhealthy,
    };
  }

  refuseRoute(): void {}

  abandon(error: unknown): void {
    if (currentJob() !== undefined && currentJob() === this.#runner.current?.name) this.#runner.fail(error);
  }

  /** A canary compares requests alone. */
  measure(): undefined {
    return undefined;
  }

  #onRun(run: Run | undefined): void {
    const { ledger } = this.#options;
    if (run) this.#slot = ledger.requestBegins(JOB, run.name, performance.now());
    else ledger.requestEnds(this.#slot);
    if (!run) this.#wear.check();
  }

  get #knownJobs(): ReadonlyMap<string, KnownJob> {
    return new Map([...this.#app.jobs].map(([name, job]) => [name, this.#timed(job)]));
  }

  /**
   * The job, with the time at which it is to be killed in the ledger: whoever blocks this loop keeps its timers from firing.
   * Of each slice, for between two of them a store that is away may be waited for.
   */
  #timed({ spec, run }: DeclaredJob): KnownJob {
    const timed = async (job: Job): Promise<unknown> => {
      const ended = Promise.withResolvers<void>();
      this.#code = ended.promise;
      this.#slice = { spec, signal: job.signal, began: performance.now() };
      this.#tellEnd(this.#slice);
      try {
        return await runForJob(spec.name, () => run(job));
      } finally {
        this.#slice = undefined;
        this.#options.ledger.jobEndsBy(Infinity);
        ended.resolve();
      }
    };
    return { spec: { ...spec, timeout: this.#timeoutOf(spec) }, run: timed };
  }

  #timeoutOf({ timeout }: DeclaredJob['spec']): number {
    return timeout ?? this.#timeout;
  }

  /** What has its time over by a timeout that came only now is told so now, and has as long to heed it as any other. */
  #tellEnd({ spec, began }: Slice): void {
    const seconds = this.#timeoutOf(spec);
    const over = seconds === 0 ? Infinity : Math.max(began + seconds * 1000, performance.now());
    this.#options.ledger.jobEndsBy(over + AFTER_SIGNAL_MS);
  }

  #retime(timeout: number): void {
    if (timeout === this.#timeout) return;
    this.#timeout = timeout;
    // One whose signal has fired ends as it was told.
    if (this.#slice && !this.#slice.signal.aborted) this.#tellEnd(this.#slice);
    this.#runner.retime(this.#knownJobs);
  }
}
