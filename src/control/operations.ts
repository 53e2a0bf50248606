/**
 * What the control socket can ask of the running service. Implemented by the supervisor; src/control serves it. What
 * is of plain data here crosses the socket as JSON, and scripts read it: a field that has been published stays.
 */
import type { LoadedConfig } from '../config/config.ts';
import type { LoopStack, Role, WorkerUsage } from '../protocol.ts';
import type { MemberState } from '../roster/plan.ts';
import type { Mode } from '../common-server.ts';
import type { ChangeRequest, LastChange, Outcome, Progress } from '../supervisor/change.ts';
import type { ServerState } from '../supervisor/server-state.ts';

export type { ChangeRequest, LastChange, Mode, Outcome, Progress };

export interface Operations {
  /** Answers within 2 s or so, also while workers are blocked: their `usage` is undefined then. */
  status(): Promise<Status>;
  /** The same; a worker that cannot tell has no `loops`. */
  stacks(): Promise<readonly WorkerStacks[]>;
  /** With which configuration it runs now; secrets included, they are masked before it leaves the process. */
  config(): LoadedConfig;
  /**
   * Resolves when it is decided, however long that takes, and never rejects for an outcome that the operator should
   * see. Goes on when whoever asked is gone.
   */
  change(request: ChangeRequest, onProgress: (progress: Progress) => void): Promise<Outcome>;
  /** Begins a graceful stop; once begun, it does nothing. */
  stop(): void;
}

/** The last line of an answer to a POST: an Outcome, or that the server has stopped. */
export type Result = Exclude<Outcome, { outcome: 'done' }> | Done;

interface Done {
  readonly outcome: 'done';
  readonly text: string;
  readonly generation?: number;
}

export interface Status {
  readonly pid: number;
  /** Of Tricorn. */
  readonly version: string;
  /** `v26.10.0` */
  readonly node: string;
  readonly mode: Mode;
  readonly state: ServerState;
  /** Nobody is ready, and so many starts in a row have failed. */
  readonly isCrashLooping: boolean;
  /** The app says so of itself, in one of its event loops at least, or says nothing. */
  readonly isHealthy: boolean;
  /** Counts boots and reloads, from 1. */
  readonly generation: number;
  /** Absolute path. */
  readonly app: string;
  /** For people: `http://127.0.0.1:8069`, `unix:/run/app.sock`. */
  readonly listeners: readonly string[];
  readonly uptimeMs: number;
  /** Workers; in threaded mode threads, which are what serves there. */
  readonly wanted: number;
  readonly ready: number;
  readonly workers: readonly WorkerStatus[];
  /** Worker processes that ended without an order. */
  readonly deaths: number;
  /** Routes that are refused now, since they have killed event loops. */
  readonly poison: readonly string[];
  /** The last change that was decided. */
  readonly lastChange?: LastChange | undefined;
}

export interface WorkerStatus {
  /** As `tricorn recycle` takes it: `2`, `cron-2`, `evented-1`. */
  readonly name: string;
  /** Among those of its role. */
  readonly number: number;
  readonly pid: number;
  readonly generation: number;
  readonly role: Role;
  readonly state: MemberState;
  readonly ageMs: number;
  /** 0 = the app runs in its main thread. */
  readonly threads: number;
  /** Undefined where it did not answer in time. */
  readonly usage?: WorkerUsage | undefined;
}

export interface WorkerStacks {
  readonly name: string;
  readonly number: number;
  readonly pid: number;
  readonly loops: readonly LoopStack[];
}
