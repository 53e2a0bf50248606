/**
 * What an app declares under `cron`, and what its jobs get. Types alone: read-jobs.ts checks what was written, and
 * schedule.ts knows when a job is due.
 */
import type pino from 'pino';

/** What a job's `run` gets. */
export interface Job {
  readonly name: string;
  /** The fencing number: it only ever grows, so a write that carries a smaller one comes from a run that is over. */
  readonly runId: number;
  /** 1 for the first run of a tick, then one more for each retry and for each run after a crash or a cut. */
  readonly attempt: number;
  /** The tick that this run is for, or the moment that trigger() asked for; not the moment at which it started. */
  readonly scheduledAt: Date;
  /** Aborted at `timeout`, when the worker has to stop, and when the store gave the run to somebody else. */
  readonly signal: AbortSignal;
  readonly log: pino.Logger;
  /**
   * Stores how far the job is, and tells how many seconds it should go on before it returns to let others have their
   * turn. A job that returns with work remaining goes on later.
   *
   * @param done since the job began this tick, in whatever unit
   * @param remaining in the same unit; 0 where all is done
   */
  progress(done: number, remaining: number): Promise<number>;
}

/** What becomes of the ticks that passed while nothing could run the job. */
export type Missed = 'once' | 'skip' | 'all';

interface CommonDefinition {
  readonly run: (job: Job) => unknown;
  /** Seconds, or text such as `10m`; 0 = no limit. Default: limit_time_real_cron. */
  readonly timeout?: number | string;
  /** The smaller, the sooner. Default 5. */
  readonly priority?: number;
  /** `once` (default): one run for all of them; `skip`: none; `all`: one for each, at most 100. */
  readonly missed?: Missed;
  /** How often a tick is tried again after it failed. Default 0. */
  readonly retries?: number;
  /** Whether a job that the store meets for the first time begins paused; then `tricorn pause | resume` decide. */
  readonly paused?: boolean;
}

interface CronDefinition extends CommonDefinition {
  /** Five fields, six with seconds in front, or @yearly, @monthly, @weekly, @daily, @hourly. */
  readonly schedule: string;
  /** An IANA zone such as Europe/Paris. Default UTC: it is the same on every machine. */
  readonly timezone?: string;
  readonly every?: never;
}

interface EveryDefinition extends CommonDefinition {
  /** Seconds, or text such as `90 s`, `5m` or `1h`. */
  readonly every: number | string;
  readonly schedule?: never;
  readonly timezone?: never;
}

/** A job as an app declares it. */
export type JobDefinition = CronDefinition | EveryDefinition;

/** The jobs of an app, by name. */
export type JobDefinitions = Readonly<Record<string, JobDefinition>>;

/** When a job's ticks are. */
export type Rhythm = { readonly cron: string; readonly timezone: string } | { readonly everyMs: number };

/** A definition as it is kept in the store: checked, complete, and JSON. */
export interface JobSpec {
  readonly name: string;
  readonly rhythm: Rhythm;
  /** Seconds; 0 = no limit. */
  readonly timeout: number;
  readonly priority: number;
  readonly missed: Missed;
  readonly retries: number;
  /** At the first sight of it. */
  readonly paused: boolean;
}

/** A job as an app declares it, checked. */
export interface DeclaredJob {
  /** One that names no `timeout` has that of the settings, which may change while it runs. */
  readonly spec: Omit<JobSpec, 'timeout'> & { readonly timeout: number | undefined };
  readonly run: (job: Job) => unknown;
}

/** A job that can be run. */
export interface KnownJob {
  readonly spec: JobSpec;
  readonly run: (job: Job) => unknown;
}
