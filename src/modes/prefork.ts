/** Prefork: `workers` processes of node:cluster, each with one event loop; all accept on the one shared socket. */
import { CommonServer, type Population, type ServerOptions } from '../common-server.ts';
import type { LoadedConfig } from '../config/config.ts';

export class PreforkServer extends CommonServer {
  readonly mode = 'prefork';
  #workers: number;

  constructor(loaded: LoadedConfig, options: ServerOptions) {
    super(loaded, options);
    this.#workers = loaded.config.workers;
  }

  get size(): number {
    return this.#workers;
  }

  protected population(): Population {
    return { workers: this.#workers, threads: 0 };
  }

  protected resize(workers: number): string {
    if (workers < 1) return 'One worker is the least there can be';
    this.#workers = workers;
    return `Scaling to ${this.describe()}`;
  }

  describe(): string {
    return `prefork, ${this.#workers} ${this.#workers === 1 ? 'worker' : 'workers'}`;
  }
}
