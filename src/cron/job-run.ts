/** One run of a job, slice by slice: its signal, its time-outs, its progress, and how it ended. */
import { inspect } from 'node:util';
import type pino from 'pino';
import { cut } from '../config/show.ts';
import type { Job, KnownJob } from './job.ts';
import type { EndRequest, Run } from './store.ts';
import { AFTER_SIGNAL_MS, type Timers } from './timers.ts';

/** How long a slice should be, milliseconds: what progress() counts down from. */
const SLICE_MS = 10_000;
/** Of an error's text that is stored. */
const MOST_OF_ERROR = 4000;

/** Why a run's signal was aborted. */
type Stop = 'timeout' | 'cut' | 'lost';

const REASONS: Readonly<Record<Stop, string>> = {
  timeout: 'the job has run into its timeout',
  cut: 'the worker stops',
  lost: 'the run was lost to another worker',
};

export interface JobRunOptions {
  readonly run: Run;
  readonly job: KnownJob;
  readonly log: pino.Logger;
  readonly timers: Timers;
  readonly progress: (run: Run, done: number, remaining: number) => Promise<boolean>;
  /** It goes on though its signal was aborted AFTER_SIGNAL_MS ago, because of its timeout. */
  readonly onOverdue: (run: Run) => void;
}

export class JobRun {
  readonly run: Run;
  readonly #options: JobRunOptions;
  readonly #cut = Promise.withResolvers<'cut'>();
  #controller = new AbortController();
  #stop: Stop | undefined;
  #isDraining = false;
  #goesOn = false;
  #isCut = false;
  #remaining: number | undefined;
  #sliceBegan = 0;
  /** Seconds; 0 = no limit. */
  #timeout: number;
  #cancelTimeout: () => void = () => {};

  constructor(options: JobRunOptions) {
    this.run = options.run;
    this.#options = options;
    this.#timeout = options.job.spec.timeout;
    // Between two slices nobody waits for it.
    this.#cut.promise.catch(() => {});
  }

  /** Whether it went on when it was cut. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** @returns how it ended; undefined where the run was lost, so that nothing is to be told */
  async slice(): Promise<EndRequest | undefined> {
    const { timers, job } = this.#options;
    if (this.#stop === undefined) this.#controller = new AbortController();
    this.#remaining = undefined;
    this.#sliceBegan = timers.now();
    this.#goesOn = true;
    this.#watchTimeout();
    try {
      // In a promise also where it throws before its first await.
      const result = await Promise.race([(async () => job.run(this.#job()))(), this.#cut.promise]);
      return result === 'cut' ? { outcome: 'cut', error: 'it did not end within 5 s of its signal' } : this.#returned();
    } catch (error) {
      return this.#threw(error);
    } finally {
      this.#goesOn = false;
      this.#cancelTimeout();
    }
  }

  /** Asks the job, by progress(), to return soon. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Another timeout from now on, for the slice that goes on, too. One whose signal has fired ends as it was told. */
  retime(timeout: number): void {
    this.#timeout = timeout;
    if (!this.#goesOn || this.#stop !== undefined) return;
    this.#cancelTimeout();
    this.#watchTimeout();
  }

  /** Asks the job by its signal. */
  abort(why: Stop): void {
    this.#stop ??= why;
    this.#controller.abort(new DOMException(REASONS[why], why === 'timeout' ? 'TimeoutError' : 'AbortError'));
  }

  /** Does not wait for the job any longer, if it goes on. */
  cut(): void {
    this.#isCut ||= this.#goesOn;
    this.#cut.resolve('cut');
  }

  /** Its code threw where nobody caught it: it may never end by itself. */
  fail(error: unknown): void {
    this.#cut.reject(error);
  }

  #watchTimeout(): void {
    const { timers, onOverdue } = this.#options;
    this.#cancelTimeout = () => {};
    if (this.#timeout === 0) return;
    const leftMs = this.#sliceBegan + this.#timeout * 1000 - timers.now();
    this.#cancelTimeout = timers.after(Math.max(0, leftMs), () => {
      this.abort('timeout');
      this.#cancelTimeout = timers.after(AFTER_SIGNAL_MS, () => onOverdue(this.run));
    });
  }

  #job(): Job {
    const { name, runId, attempt, scheduledAt } = this.run;
    const { log } = this.#options;
    return Object.freeze({
      name,
      runId,
      attempt,
      scheduledAt: new Date(scheduledAt),
      signal: this.#controller.signal,
      log: log.child({ job: name, run: runId }),
      progress: (done: number, remaining: number) => this.#progress(done, remaining),
    });
  }

  async #progress(done: number, remaining: number): Promise<number> {
    if (!(done >= 0 && remaining >= 0))
      throw new TypeError(`progress() takes two numbers of at least 0, not ${String(done)} and ${String(remaining)}`);
    this.#remaining = remaining;
    const isHeld = await this.#options.progress(this.run, done, remaining);
    if (!isHeld) this.abort('lost');
    return this.#secondsLeft();
  }

  #secondsLeft(): number {
    if (this.#isDraining || this.#stop !== undefined) return 0;
    const limit = this.#timeout === 0 ? SLICE_MS : Math.min(SLICE_MS, this.#timeout * 1000);
    return Math.max(0, this.#sliceBegan + limit - this.#options.timers.now()) / 1000;
  }

  #returned(): EndRequest | undefined {
    if (this.#stop === 'lost') return undefined;
    if (this.#remaining === 0) return { outcome: 'done' };
    // Whoever was told to stop has returned early, unless it has said that it is done.
    if (this.#stop !== undefined) return { outcome: this.#stop };
    return { outcome: this.#remaining === undefined ? 'done' : 'partial' };
  }

  #threw(error: unknown): EndRequest | undefined {
    if (this.#stop === 'lost') return undefined;
    return { outcome: this.#stop ?? 'failed', error: cut(inspect(error), MOST_OF_ERROR) };
  }
}
