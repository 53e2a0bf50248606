/** One event loop that runs the app: for requests, or for its jobs. In a worker's main thread, or in a thread of its own. */
import type { Socket } from 'node:net';
import type { Log } from '../log/open-log.ts';
import type { LoopBoot, LoopFigures, LoopUsage, Poison } from '../protocol.ts';
import type { Ledger } from './ledger.ts';
import type { Terms } from './terms.ts';

export interface LoopOptions {
  readonly boot: LoopBoot;
  readonly terms: Terms;
  readonly log: Log;
  readonly ledger: Ledger;
  /** Called once, when a limit is reached. */
  readonly onWorn: (reason: string) => void;
  /** Called when what the app says of its health has changed. */
  readonly onHealth: (healthy: boolean) => void;
}

export interface Loop {
  /** Of the app, in words. */
  readonly form: string;
  /** How many jobs the app has. */
  readonly jobs: number;
  /** Runs the app's start hooks; it serves when it resolves. @throws TricornError TRC_APP_BOOT */
  start(): Promise<void>;
  /** Its jobs count from now on, and are run. Resolves when the store knows them, or does not answer. */
  publish(since: number): Promise<void>;
  /** Takes a connection whose begin has been counted. */
  accept(socket: Socket): void;
  /** Finishes what is there, at most graceful_timeout, then runs the stop hooks. @param final the service stops */
  drain(final: boolean): Promise<void>;
  usage(): Promise<LoopUsage>;
  /** Answers 503 to a route that has killed event loops. */
  refuseRoute(poison: Poison): void;
  /** Thrown where nobody caught it: what the code was running for is given up if it does not end soon. */
  abandon(error: unknown): void;
  /** Counts requests from now on, or no more. @returns what was counted until now */
  measure(on: boolean): LoopFigures | undefined;
}

/** Loads the app. Nothing of it has started; start() does. @throws TricornError TRC_APP_*, TRC_JOBS */
export async function loadLoop(options: LoopOptions): Promise<Loop> {
  // Each is loaded where it is needed: a loop for requests pays no memory for jobs.
  if (options.boot.role === 'cron') return (await import('./cron-loop.ts')).CronLoop.load(options);
  return (await import('./app-loop.ts')).AppLoop.load(options);
}
