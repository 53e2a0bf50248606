/** The engine of prefork and evented mode: the app runs in the main thread, a monitor thread beside it watches. */
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Log } from '../log/open-log.ts';
import type { LoopUsage, WorkerBoot } from '../protocol.ts';
import { AppLoop } from './app-loop.ts';
import { LoopCounters } from './counters.ts';
import type { Engine } from './engine.ts';

const MONITOR = fileURLToPath(new URL(`./monitor${import.meta.filename.slice(-3)}`, import.meta.url));

export class SingleLoop implements Engine {
  readonly handsOn = false;
  readonly #boot: WorkerBoot;
  readonly #log: Log;
  readonly #counters: LoopCounters = new LoopCounters();
  #loop: AppLoop | undefined;

  constructor(boot: WorkerBoot, log: Log) {
    this.#boot = boot;
    this.#log = log;
    // First of all: from now on a blocked boot, too, can be looked into.
    new Worker(MONITOR, { name: 'tricorn monitor', stdin: false }).unref();
  }

  get form(): string {
    return this.#running.form;
  }

  async load(): Promise<void> {
    this.#loop = await AppLoop.load({ ...this.#boot, thread: 0 }, this.#log, this.#counters);
  }

  start(): Promise<void> {
    return this.#running.start();
  }

  accept(socket: Socket): void {
    this.#counters.connectionBegins();
    this.#running.accept(socket);
  }

  drain(): Promise<void> {
    return this.#running.drain();
  }

  async usage(): Promise<LoopUsage[]> {
    return [await this.#running.usage()];
  }

  resize(): void {}

  get #running(): AppLoop {
    if (!this.#loop) throw new Error('the app is not loaded');
    return this.#loop;
  }
}
