/** What a SqliteStore and its thread say to each other. */
import type { EngineOptions, SqliteEngine } from './sqlite-engine.ts';
import type { LostRun } from './store.ts';

/** The file, in data_dir. */
export const DATABASE = 'tricorn.db';

/** What can be asked for. */
export type Method = Exclude<keyof SqliteEngine, 'look' | 'reap'> | 'listen';

export interface Call {
  readonly id: number;
  readonly method: Method;
  /** The caller's wall clock. */
  readonly now: number;
  readonly args: readonly unknown[];
}

/** An error as it crosses: the thread's own classes do not. */
export interface Failure {
  readonly message: string;
  /** The jobs that there are, where one was asked for that there is not. */
  readonly known?: readonly string[];
}

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure }
  | { readonly wake: true }
  | { readonly found: readonly LostRun[] };

/** The thread's workerData. */
export interface StoreThreadBoot extends EngineOptions {
  /** Where the wall clock of the handle is not Date.now: what it says when the thread starts. */
  readonly clockOffset: number;
}
