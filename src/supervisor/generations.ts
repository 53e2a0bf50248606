/** The generations of the service that have workers: the one that serves, one that boots, and those that drain. */
import type { CommonServer } from '../common-server.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Staff } from './service-manager.ts';
import type { WorkerHandle } from './worker-handle.ts';

export class Generations {
  readonly #log: Logger;
  /** In the order in which they were made. */
  readonly #all = new Set<CommonServer>();
  #current: CommonServer | undefined;
  #made = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The one that serves, or boots first. */
  get current(): CommonServer {
    if (!this.#current) throw new Error('nothing serves before run()');
    return this.#current;
  }

  /** How many there have been. */
  get made(): number {
    return this.#made;
  }

  get size(): number {
    return this.#all.size;
  }

  get handles(): WorkerHandle[] {
    return [...this.#all].flatMap(({ handles }) => handles);
  }

  /** For a service manager: of the one that serves. */
  get staff(): Staff {
    const { main: workers, config } = this.current;
    const wanted = config.http_enable ? this.current.wanted().workers : workers.size;
    return { wanted, serving: workers.serving.length, workers };
  }

  /**
   * How many event loops answer requests, of those that are wanted: where there is no HTTP, run jobs. While a change goes on
   * there may be more, for workers of the next generation accept as soon as they are ready.
   */
  get loops(): { readonly ready: number; readonly wanted: number } {
    const { config, mode, size } = this.current;
    const { http_enable, max_cron_threads } = config;
    const serving = [...this.#all].flatMap(({ main }) => main.serving);
    const ready = serving.reduce((sum, { loops }) => sum + loops, 0);
    if (!http_enable) return { ready, wanted: max_cron_threads };
    return { ready, wanted: mode === 'threaded' ? size : this.current.wanted().workers };
  }

  /** Whether the app says of itself that it can do its work, in one of the workers at least, or says nothing. */
  get isHealthy(): boolean {
    const serving = [...this.#all].flatMap(({ main }) => main.serving);
    return serving.length === 0 || serving.some(({ isHealthy }) => isHealthy);
  }

  nextNumber(): number {
    this.#made += 1;
    return this.#made;
  }

  add(server: CommonServer): void {
    this.#all.add(server);
  }

  /** From now on this one is the service; the one before drains. */
  promote(server: CommonServer): void {
    const before = this.#current;
    this.#current = server;
    process.title = `tricorn: supervisor (${server.mode}) ${server.config.app}`;
    before?.readiness.recover();
    before?.drain();
  }

  /** Their part of the tick. Those that drain are forgotten with their last worker. */
  tick(): void {
    for (const server of this.#all) server.tick();
    for (const server of this.#all) {
      if (!server.isOver) continue;
      this.#all.delete(server);
      server.close();
      if (server !== this.#current) this.#log.info(`Generation ${server.generation} has ended`);
    }
  }

  /** The service stops. */
  drain(): void {
    for (const server of this.#all) server.drain(true);
  }

  kill(): void {
    for (const server of this.#all) server.kill();
  }

  /** Nothing is started any more. */
  close(): void {
    for (const server of this.#all) server.close();
  }
}
