/** The engine of prefork and evented mode: the app runs in the main thread, a monitor thread beside it watches. */
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Log } from '../log/open-log.ts';
import type { RequestInFlight } from '../log/requests.ts';
import type { LoopFigures, LoopUsage, Poison, WorkerBoot } from '../protocol.ts';
import { startBeating } from '../watchdog/beat.ts';
import { contextOf } from './context-of.ts';
import { openLedger } from './flight-recorder.ts';
import { tell } from './http-worker.ts';
import type { Ledger } from './ledger.ts';
import { loadLoop, type Loop } from './loop.ts';
import type { MonitorBoot } from './monitor.ts';
import type { Engine, EngineOptions } from './engine.ts';
import type { Terms } from './terms.ts';

const MONITOR = fileURLToPath(new URL(`./monitor${import.meta.filename.slice(-3)}`, import.meta.url));

export class SingleLoop implements Engine {
  readonly handsOn = false;
  readonly #boot: WorkerBoot;
  readonly #terms: Terms;
  readonly #log: Log;
  readonly #ledger: Ledger;
  readonly #onWorn: (reason: string) => void;
  readonly #isWatched: Promise<unknown>;
  #loop: Loop | undefined;

  constructor({ boot, terms, log, onWorn }: EngineOptions) {
    this.#onWorn = onWorn;
    this.#boot = boot;
    this.#terms = terms;
    this.#log = log;
    this.#ledger = openLedger(boot.recorder);
    startBeating(this.#ledger, terms, boot.role);
    // Before the app is loaded: a boot that blocks, too, can be looked into.
    const workerData: MonitorBoot = { boot, ledger: this.#ledger.buffer };
    const monitor = new Worker(MONITOR, { name: 'tricorn monitor', workerData });
    monitor.unref();
    this.#isWatched = new Promise((resolve) => monitor.once('message', resolve));
  }

  get form(): string {
    return this.#running.form;
  }

  get jobs(): number {
    return this.#running.jobs;
  }

  async warmUp(): Promise<void> {
    const { warmUp } = await import('../dev/warm-up.ts');
    await warmUp(contextOf({ ...this.#boot, thread: 0 }, this.#log), this.#boot.warmFor);
  }

  async load(): Promise<void> {
    this.#loop = await loadLoop({
      boot: { ...this.#boot, thread: 0 },
      terms: this.#terms,
      log: this.#log,
      ledger: this.#ledger,
      onWorn: this.#onWorn,
      onHealth: (healthy) => tell({ type: 'health', healthy }),
    });
  }

  async start(): Promise<void> {
    await this.#isWatched;
    await this.#running.start();
  }

  publish(since: number): Promise<void> {
    return this.#running.publish(since);
  }

  accept(socket: Socket): void {
    this.#ledger.connectionBegins();
    this.#running.accept(socket);
  }

  drain(final: boolean): Promise<void> {
    return this.#running.drain(final);
  }

  async usage(): Promise<LoopUsage[]> {
    return [await this.#running.usage()];
  }

  refuseRoute(poison: Poison): void {
    this.#loop?.refuseRoute(poison);
  }

  async measure(on: boolean): Promise<LoopFigures[]> {
    const figures = this.#loop?.measure(on);
    return figures ? [figures] : [];
  }

  abandon(error: unknown): void {
    this.#loop?.abandon(error);
  }

  inflight(): RequestInFlight[] {
    return this.#ledger.entries();
  }

  renew(): Promise<undefined> {
    throw new Error('there are no threads');
  }

  resize(): void {}

  serve(): void {}

  get #running(): Loop {
    if (!this.#loop) throw new Error('the app is not loaded');
    return this.#loop;
  }
}
