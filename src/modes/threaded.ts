/** Threaded: one worker process whose main thread accepts and hands each connection to the least busy of N threads. */
import { CommonServer, type Population, type ServerOptions } from '../common-server.ts';
import type { LoadedConfig } from '../config/config.ts';

export class ThreadedServer extends CommonServer {
  readonly mode = 'threaded';
  #threads: number;

  constructor(loaded: LoadedConfig, options: ServerOptions) {
    super(loaded, options);
    this.#threads = loaded.config.threads;
  }

  get size(): number {
    return this.#threads;
  }

  protected population(): Population {
    return { workers: 1, threads: this.#threads };
  }

  protected resize(threads: number): string {
    if (threads < 1) return 'One thread is the least there can be';
    this.#threads = threads;
    this.workers.tell({ type: 'threads', count: threads });
    return `Scaling to ${this.describe()}`;
  }

  describe(): string {
    return `threaded, ${this.#threads} ${this.#threads === 1 ? 'thread' : 'threads'}`;
  }
}
