/**
 * What cron needs of a store. Two engines have it: sqlite-store.ts for one machine, postgres-store.ts for many. Neither decides
 * anything: they apply state.ts and run-state.ts under a lock.
 *
 * A run is held by a lock of the operating system or of the database that ends with its holder, not by a lease that somebody
 * must renew: so a job that blocks its event loop keeps it, and so does a process that is stopped or starved; a process that is
 * killed loses it at once. `Store` methods reject with TRC_STORE where the store is away; store-guard.ts takes care of that.
 */
import type { JobSpec, Rhythm } from './job.ts';
import type { FailureLimits, Outcome } from './run-state.ts';

/** A run that this handle holds. Times are milliseconds since 1970. */
export interface Run {
  readonly name: string;
  readonly runId: number;
  readonly attempt: number;
  readonly scheduledAt: number;
  /** What an earlier run of the same tick has told; null where none has. */
  readonly done: number | null;
  readonly remaining: number | null;
}

export interface Acquired {
  readonly run: Run | undefined;
  /** Milliseconds until the next job is due, where there is no run; undefined where none will be. */
  readonly dueInMs: number | undefined;
}

export interface EndRequest {
  readonly outcome: Exclude<Outcome, 'lost'>;
  /** In words, with a stack. */
  readonly error?: string;
  /** The jobs that the caller could run: where none of them is due, a partly done run goes on in its hands. */
  readonly unlessDue?: readonly string[];
}

export interface Ended {
  /** False where the run had been lost to somebody else: then nothing was stored. */
  readonly isHeld: boolean;
  /** The run was not let go of: its next slice may begin. */
  readonly goesOn: boolean;
  /** In a row. */
  readonly failures: number;
  readonly isDeactivated: boolean;
  /** When it is to be run next; null where never. */
  readonly nextAt: number | null;
}

export interface TriggerRequest {
  /** Milliseconds since 1970; default: now. */
  readonly at?: number;
  /** Whether one run may serve this and others that are due; default true. */
  readonly coalesce?: boolean;
}

/** A run as the history keeps it. */
export interface RunRecord {
  readonly name: string;
  readonly runId: number;
  readonly attempt: number;
  readonly scheduledAt: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly worker: string;
  readonly machine: string;
  /** Null while it runs. */
  readonly outcome: Outcome | null;
  readonly error: string | null;
  readonly done: number | null;
  readonly remaining: number | null;
}

export interface JobStatus {
  readonly name: string;
  readonly rhythm: Rhythm;
  readonly state: 'waiting' | 'running' | 'paused' | 'deactivated' | 'gone';
  readonly nextAt: number | null;
  readonly failures: number;
  readonly last: RunRecord | null;
  readonly running: RunRecord | null;
  /** The next attempt at what was begun and is not done; null where there is none to come, or one is going on. */
  readonly again: { readonly attempt: number; readonly at: number } | null;
}

/** A run that was found without its worker, and what becomes of its tick. */
export interface LostRun {
  readonly name: string;
  readonly runId: number;
  readonly attempt: number;
  readonly reason: string;
  /** The next attempt; null where there is none to come. */
  readonly again: { readonly attempt: number; readonly inMs: number } | null;
  readonly isGivenUp: boolean;
  /** In a row. */
  readonly failures: number;
  readonly isDeactivated: boolean;
}

/** What a handle tells without being asked. */
export interface StoreListener {
  /** A job may have become due: call acquire(). */
  onWake(): void;
  /** The run is somebody else's now, or soon will be: it must stop. */
  onLost(run: Run): void;
  /** The handle has found a run of somebody who is gone, and has settled what becomes of it. */
  onFound?(lost: LostRun): void;
  /** The store went away while nobody asked it for anything. */
  onFailure?(error: unknown): void;
}

export interface Store {
  /** Where it is, in words, without secrets. */
  readonly place: string;
  /** @param since when the generation was made that declares these jobs, the same for all of its workers */
  sync(specs: readonly JobSpec[], since: number): Promise<void>;
  /** Takes the first of these jobs that is due, by failures, priority and due time. */
  acquire(names: readonly string[]): Promise<Acquired>;
  /** @returns false where the run had been lost */
  progress(run: Run, done: number, remaining: number): Promise<boolean>;
  end(run: Run, request: EndRequest): Promise<Ended>;
  /** @throws TricornError TRC_JOB_UNKNOWN */
  trigger(name: string, request?: TriggerRequest): Promise<void>;
  /** @throws TricornError TRC_JOB_UNKNOWN */
  pause(name: string): Promise<void>;
  /** Ends a deactivation, too. @throws TricornError TRC_JOB_UNKNOWN */
  resume(name: string): Promise<void>;
  /** By name. */
  list(): Promise<JobStatus[]>;
  /** The newest first. @throws TricornError TRC_JOB_UNKNOWN */
  history(name: string): Promise<RunRecord[]>;
  /** From now on the handle watches for jobs that become due, and for holders that die. */
  listen(listener: StoreListener): Promise<void>;
  /** After a failure: begins anew and takes back the runs that it holds; those that it cannot are lost. */
  reopen(): Promise<void>;
  /** Lets go of everything. Runs that are still held are found lost by others. */
  close(): Promise<void>;
}

/** Who holds the runs of a handle, as history and `tricorn jobs` show it. */
export interface Identity {
  readonly worker: string;
  readonly machine: string;
}

export interface StoreOptions {
  readonly who: Identity;
  readonly limits: FailureLimits;
  /** Runs that are kept per job. */
  readonly history: number;
  /** Wall clock, milliseconds; default: Date.now, and the database's own for PostgreSQL. */
  readonly clock?: () => number;
  /** For what the operator should know. */
  readonly warn?: (message: string) => void;
}
