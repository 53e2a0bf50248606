/**
 * How many cron workers a generation should have. Lives in the supervisor, which never imports the app: whether there are jobs
 * at all is what a worker says that has mounted it.
 */
import type { Mode } from '../common-server.ts';
import type { Config } from '../config/config.ts';
import type { WorkerHandle } from './worker-handle.ts';

export interface CrewOptions {
  readonly config: Pick<Config, 'http_enable' | 'max_cron_threads'>;
  readonly mode: () => Mode;
  readonly isCheck: boolean;
}

export class Crew {
  readonly title = 'cron worker';
  readonly #options: CrewOptions;
  /** Without HTTP there is nobody else who could say that there are none. */
  #hasJobs: boolean;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#hasJobs = !options.config.http_enable;
  }

  /** @param ready has said how many jobs the app has; undefined: nobody has yet, or what was said stays */
  hear(ready: Pick<WorkerHandle, 'jobs'> | undefined): void {
    if (ready) this.#hasJobs = ready.jobs > 0;
  }

  /** Processes. */
  get size(): number {
    const { config, mode, isCheck } = this.#options;
    if (isCheck || !this.#hasJobs || config.max_cron_threads === 0) return 0;
    return mode() === 'threaded' ? 1 : config.max_cron_threads;
  }

  /** Threads in each of them; 0 = jobs run in its main thread. */
  get threads(): number {
    return this.#options.mode() === 'threaded' ? this.#options.config.max_cron_threads : 0;
  }
}
