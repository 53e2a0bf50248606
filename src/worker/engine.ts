/** What serves connections inside a worker process: one event loop, or a pool of threads. */
import type { Socket } from 'node:net';
import type { RequestInFlight } from '../log/requests.ts';
import type { WireError } from '../errors.ts';
import type { Log } from '../log/open-log.ts';
import type { LoopFigures, LoopUsage, Poison, Renew, WorkerBoot } from '../protocol.ts';
import type { Terms } from './terms.ts';

export interface EngineOptions {
  readonly boot: WorkerBoot;
  readonly terms: Terms;
  readonly log: Log;
  /** A limit is reached: the worker is to be recycled. */
  readonly onWorn: (reason: string) => void;
}

export interface Engine {
  /** Whether an accepted connection must not be read here, because it is handed on. */
  readonly handsOn: boolean;
  /** The form of app that is served; known once started. */
  readonly form: string;
  /** How many jobs the app has; known once started. */
  readonly jobs: number;
  /** Gets ready for the app, but imports nothing of it: for a spare. */
  warmUp(): Promise<void>;
  /** Imports the app; none of its hooks have run. @throws TricornError TRC_APP_* */
  load(): Promise<void>;
  /** Runs the app's start hooks. @throws TricornError TRC_APP_* */
  start(): Promise<void>;
  /** The jobs of the app count from now on, and are run. Resolves when the store knows them, or does not answer. */
  publish(since: number): Promise<void>;
  accept(socket: Socket): void;
  /** Connections may come: whatever the engine accepts itself, it accepts from now on. */
  serve(): void;
  /** Finishes what is there, at most graceful_timeout, then runs the stop hooks. @param final the service stops */
  drain(final: boolean): Promise<void>;
  usage(): Promise<LoopUsage[]>;
  /** Answers 503 to a route that has killed event loops. */
  refuseRoute(poison: Poison): void;
  /** Counts requests from now on, or no more. @returns what each loop has counted until now; none where none did */
  measure(on: boolean): Promise<LoopFigures[]>;
  /** Thrown where nobody caught it: what the code was running for is not waited for. Nothing where the app runs elsewhere. */
  abandon(error: unknown): void;
  /** The requests in flight, of all loops, the oldest first. */
  inflight(): RequestInFlight[];
  /** Replaces the threads one after the other. Resolves with the reason where it cannot. */
  renew(order: Renew): Promise<WireError | undefined>;
  /** How many threads there should be from now on; nothing where there are none. */
  resize(threads: number): void;
}
