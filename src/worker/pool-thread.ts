/**
 * The thread pool's view of one thread. Lives in the main thread of a threaded worker; its other side is thread.ts.
 * Its states are those of a worker process (src/roster/plan.ts, src/supervisor/worker-handle.ts).
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import { toWireError, TricornError, type WireError } from '../errors.ts';
import {
  LEAVE_MS,
  type FromThread,
  type LoopBoot,
  type LoopFigures,
  type LoopUsage,
  type ToThread,
  unwrapThread,
} from '../protocol.ts';
import { heapLimit } from '../limits/wear.ts';
import { transition, type MemberState } from '../roster/plan.ts';
import { Ledger } from './ledger.ts';

const ENTRY = fileURLToPath(new URL(`./thread${import.meta.filename.slice(-3)}`, import.meta.url));

interface Events {
  ready: [];
  worn: [reason: string];
  /** What the app in it says of its health has changed. */
  health: [];
  /** Nobody caught an error in it: it is logged; what is in flight can still finish. */
  broken: [];
  fatal: [error: WireError];
  published: [];
  usage: [usage: LoopUsage];
  measured: [figures: LoopFigures];
  failure: [error: Error];
  exit: [code: number, expected: boolean];
}

/** How long a thread may take to tell its CPU time, milliseconds. */
const CPU_WAIT_MS = 100;

const NO_FIGURES: LoopFigures = { requests: 0, errors: 0, latencies: [] };

/** What a thread gets as its workerData. */
export interface ThreadBoot {
  readonly boot: LoopBoot;
  readonly ledger: SharedArrayBuffer;
}

export class PoolThread extends EventEmitter<Events> {
  readonly number: number;
  readonly generation: number;
  /** Unique in the process, also beside a thread of the same number that still drains: what the inspector shows. */
  readonly label: string;
  readonly ledger: Ledger;
  form = '';
  /** How many jobs the app has. */
  jobs = 0;
  /** performance.now() of its ready. */
  readyAt: number | undefined;
  /** What the app in it said last. */
  isHealthy = true;
  /** Why it could not boot, as it said. */
  fatal: WireError | undefined;
  /** Uncaught where the thread could not log it itself, such as its heap's end. */
  failure: Error | undefined;
  static #started = 0;
  readonly #worker: Worker;
  #state: MemberState = 'starting';
  #cpuMs = 0;
  #askingCpu: Promise<void> | undefined;
  #leaving: NodeJS.Timeout | undefined;

  /** @param spare the ledger's memory of a thread that has ended, to be used again */
  constructor(boot: LoopBoot, spare?: SharedArrayBuffer) {
    super();
    if (spare) new Uint8Array(spare).fill(0);
    this.ledger = new Ledger(spare);
    this.number = boot.thread;
    this.generation = boot.generation;
    const workerData: ThreadBoot = { boot, ledger: this.ledger.buffer };
    PoolThread.#started += 1;
    this.label = `tricorn thread ${boot.thread} (start ${PoolThread.#started})`;
    this.#worker = new Worker(ENTRY, { workerData, name: this.label, resourceLimits: resourceLimits(boot.config) });
    this.#worker.on('message', (sent: unknown) => {
      const message = unwrapThread(sent);
      if (message) this.#onMessage(message);
    });
    this.#worker.on('error', (error) => this.#onFailure(error));
    this.#worker.on('exit', (code) => this.#onExit(code));
  }

  get state(): MemberState {
    return this.#state;
  }

  get name(): string {
    return `thread ${this.number}`;
  }

  /** Hands a connection over; it must not have been read from. */
  give(socket: Socket): void {
    this.ledger.connectionBegins();
    this.#worker.postMessage(socket, [socket as never]);
  }

  send(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  /** It is due to be recycled, and serves until its replacement is ready. */
  retire(): void {
    this.#state = transition(this.name, this.#state, 'retiring');
  }

  /** It is not replaced after all. */
  stay(): void {
    this.#state = transition(this.name, this.#state, 'ready');
  }

  /** @param final the service stops */
  drain(final: boolean): void {
    this.#state = transition(this.name, this.#state, 'draining');
    this.send({ type: 'drain', final });
  }

  /**
   * CPU milliseconds that it has used, as far as it is known: a thread that JavaScript blocks tells, one that is blocked
   * outside of it, as by a call of the system that waits, does not.
   */
  async cpuMs(): Promise<number> {
    this.#askingCpu ??= this.#askCpu();
    await Promise.race([this.#askingCpu, pass(CPU_WAIT_MS, undefined, { ref: false })]);
    return this.#cpuMs;
  }

  /** What it has counted since it was told to measure; it counts no more. @param waitMs then it is taken for blocked */
  figures(waitMs: number): Promise<LoopFigures> {
    const { promise, resolve } = Promise.withResolvers<LoopFigures>();
    const late = setTimeout(() => resolve({ ...NO_FIGURES, blocked: true }), waitMs);
    this.once('measured', resolve).once('exit', () => resolve(NO_FIGURES));
    this.send({ type: 'measure', on: false });
    return promise.finally(() => clearTimeout(late));
  }

  async #askCpu(): Promise<void> {
    try {
      const { user, system } = await this.#worker.cpuUsage();
      this.#cpuMs = (user + system) / 1000;
    } catch {
      // It has ended, or is ending: its exit event is on the way.
    }
    this.#askingCpu = undefined;
  }

  /** Ends it where it stands. */
  kill(): void {
    void this.#worker.terminate();
  }

  /** Why it was not ready before its end, as far as it could be told. */
  whyNotReady(app: string): WireError {
    return this.fatal ?? toWireError(new TricornError('TRC_APP_BOOT', { app }, { cause: this.failure }));
  }

  /** It will not be ready, and that is why. */
  giveUp(error: WireError): void {
    this.#onFatal(error);
    this.drain(false);
    this.kill();
  }

  #onMessage(message: FromThread): void {
    if (message.type === 'broken' || message.type === 'published') this.emit(message.type);
    else if (message.type === 'worn') this.emit('worn', message.reason);
    else if (message.type === 'health') this.#onHealth(message.healthy);
    else if (message.type === 'usage') this.emit('usage', message.usage);
    else if (message.type === 'measured') this.emit('measured', message.figures);
    else if (message.type === 'fatal') this.#onFatal(message.error);
    else if (message.type === 'leaves') this.#onLeaves(message.code);
    else if (this.#state === 'starting') {
      this.form = message.form;
      this.jobs = message.jobs;
      this.readyAt = performance.now();
      this.#state = transition(this.name, this.#state, 'ready');
      this.emit('ready');
    }
  }

  #onHealth(healthy: boolean): void {
    this.isHealthy = healthy;
    this.emit('health');
  }

  #onFatal(error: WireError): void {
    this.fatal = error;
    this.emit('fatal', error);
  }

  #onFailure(error: unknown): void {
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.emit('failure', this.failure);
  }

  /** One that a call of the system keeps from ending is given up: it does nothing any more. */
  #onLeaves(code: number): void {
    this.#leaving = setTimeout(() => this.#onExit(code), LEAVE_MS).unref();
  }

  #onExit(code: number): void {
    clearTimeout(this.#leaving);
    if (this.#state === 'exited') return;
    const expected = this.#state === 'draining';
    this.#state = transition(this.name, this.#state, 'exited');
    this.emit('exit', code, expected);
  }
}

/** Out of memory, it ends alone, not the process. */
function resourceLimits(config: Config): { maxOldGenerationSizeMb?: number } {
  const heap = heapLimit(config);
  return heap === undefined ? {} : { maxOldGenerationSizeMb: heap };
}
