/** What a SqliteStore and its thread say to each other. */
import type { EngineOptions, SqliteEngine } from './sqlite-engine.ts';
import type { LostRun } from './store.ts';

/** The file, in data_dir. */
export const DATABASE = 'tricorn.db';

/** Beside it: a file for each handle that lives, in a folder; what all handles watch; the lock of who makes the database. */
export const HOLDERS: string = `${DATABASE}-holders`;
export const WAKE: string = `${DATABASE}-wake`;
export const MAKING = '-making';

/** All that is there, SQLite's own included. */
export const FILES: readonly string[] = [
  ...['', '-wal', '-shm', MAKING].map((ending) => `${DATABASE}${ending}`),
  HOLDERS,
  WAKE,
];

/** Why a thread ends whose database is not the one at its path any longer. */
export const MOVED = 'it was removed or replaced while it was open; jobs are declared in the one that is there now';

/** What can be asked for. */
export type Method = Exclude<keyof SqliteEngine, 'look' | 'reap' | 'isMoved'> | 'listen';

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
