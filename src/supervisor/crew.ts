/**
 * The cron workers of a generation: how many there should be, and since when they run jobs. Lives in the supervisor, which never
 * imports the app: whether there are jobs at all is what a worker says that has mounted it.
 *
 * They boot like all others, but touch no job before their generation serves: one that fails, or whose canary does, must not
 * leave its schedules behind. So each generation that comes to serve, by a rollback too, decides about the jobs from then on.
 */
import type { Mode } from '../common-server.ts';
import type { Config } from '../config/config.ts';
import type { WorkerHandle } from './worker-handle.ts';

type Member = Pick<WorkerHandle, 'jobs' | 'publish' | 'state'>;

export interface CrewOptions {
  readonly config: Pick<Config, 'http_enable' | 'max_cron_threads'>;
  readonly mode: () => Mode;
  readonly isCheck: boolean;
  /** Whether the store may have jobs of an app that is this one, or was until now. */
  readonly mayHaveHad: boolean;
  /** The cron workers there are. */
  readonly members: Iterable<Member>;
  /** Those that serve HTTP. */
  readonly others: () => readonly Member[];
}

export class Crew {
  readonly #options: CrewOptions;
  /** Without HTTP there is nobody else who could say that there are none. */
  #hasJobs: boolean;
  #since: number | undefined;
  #isPublished = false;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#hasJobs = !options.config.http_enable;
  }

  /** Takes what one that is ready has said of the app's jobs. Where none is, what was said stays. */
  hear(): void {
    const [ready] = [...this.#options.others(), ...this.#ready];
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

  /** How many there should be now: those that are there have yet to say that there are no jobs. */
  get wanted(): number {
    return this.#isPublished ? this.size : Math.max(this.size, [...this.#options.members].length);
  }

  get isComplete(): boolean {
    return this.#ready.length >= this.size;
  }

  /** When its generation began to serve, milliseconds since 1970: for those that start later. */
  get since(): number | undefined {
    return this.#since;
  }

  get mayHaveHad(): boolean {
    return this.#hasJobs || this.#options.mayHaveHad;
  }

  /** Its generation serves. Resolves when the store knows the jobs, or does not answer. */
  async publish(now: number = Date.now()): Promise<void> {
    this.#since = now;
    await Promise.all(this.#spokesmen.map((member) => member.publish(now)));
    this.#isPublished = true;
  }

  /** Each of them, for each has a store of its own; where there are no jobs, one is enough. */
  get #spokesmen(): Member[] {
    const { config, isCheck, members, others, mayHaveHad } = this.#options;
    if (isCheck || config.max_cron_threads === 0) return [];
    if (this.#hasJobs) return [...members];
    return mayHaveHad ? [...others(), ...this.#ready].slice(0, 1) : [];
  }

  get #ready(): Member[] {
    return [...this.#options.members].filter(({ state }) => state === 'ready' || state === 'retiring');
  }
}
