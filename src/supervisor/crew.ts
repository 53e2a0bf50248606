/**
 * The cron workers of a generation: how many there should be, and since when they run jobs. Lives in the supervisor, which never
 * imports the app: whether there are jobs at all is what a worker says that has mounted it.
 *
 * They boot like all others, but touch no job before their generation serves: one that fails, or whose canary does, must not
 * leave its schedules behind. So each generation that comes to serve, by a rollback too, decides about the jobs from then on.
 */
import type { Mode } from '../common-server.ts';
import type { Config } from '../config/config.ts';
import type { Population } from '../server-options.ts';
import { isActive } from '../roster/plan.ts';
import type { WorkerHandle } from './worker-handle.ts';

type Member = Pick<WorkerHandle, 'jobs' | 'publish' | 'send' | 'state'>;

/** In threaded mode the threads of a cron worker share its memory among each other. */
export function cronSettings(threads: number): Partial<Config> {
  return { threads: Math.max(threads, 1) };
}

export interface CrewOptions {
  /** What is live in it may change. */
  readonly config: () => Pick<Config, 'http_enable' | 'max_cron_threads'>;
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
    this.#hasJobs = !options.config().http_enable;
  }

  /** Takes what one that is ready has said of the app's jobs. Where none is, what was said stays. */
  hear(): void {
    const [ready] = [...this.#options.others(), ...this.#ready];
    if (ready) this.#hasJobs = ready.jobs > 0;
  }

  /** Processes. */
  get size(): number {
    const { mode, isCheck } = this.#options;
    if (isCheck || !this.#hasJobs || this.#most === 0) return 0;
    return mode() === 'threaded' ? 1 : this.#most;
  }

  /** Threads in each of them; 0 = jobs run in its main thread. */
  get threads(): number {
    return this.#options.mode() === 'threaded' ? this.#most : 0;
  }

  get population(): Population {
    return { workers: this.size, threads: this.threads };
  }

  /**
   * How many there should be now: those that are there have yet to say that there are no jobs. Not those on their way out, who
   * would be replaced, and their replacements with them.
   */
  get wanted(): number {
    return this.#isPublished ? this.size : Math.max(this.size, [...this.#options.members].filter(isActive).length);
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

  /**
   * Live settings have changed: they are told, with the number of their threads. Processes come and go by `wanted`; those that come
   * know by their boot since when jobs count, so none is declared as if it were newer.
   */
  adjust(changed: Partial<Config>): void {
    const { threads } = this;
    for (const member of this.#options.members) {
      member.send({ type: 'live', settings: { ...changed, ...cronSettings(threads) } });
      if (threads > 0) member.send({ type: 'threads', count: threads });
    }
    // Where there were to be none until now, the store has not been told of an app without jobs.
    if (changed.max_cron_threads !== undefined && this.#since !== undefined) void this.publish(this.#since);
  }

  get #most(): number {
    return this.#options.config().max_cron_threads;
  }

  /** Each of them, for each has a store of its own; where there are no jobs, one is enough. */
  get #spokesmen(): Member[] {
    const { isCheck, members, others, mayHaveHad } = this.#options;
    if (isCheck || this.#most === 0) return [];
    if (this.#hasJobs) return [...members];
    return mayHaveHad ? [...others(), ...this.#ready].slice(0, 1) : [];
  }

  get #ready(): Member[] {
    return [...this.#options.members].filter(({ state }) => state === 'ready' || state === 'retiring');
  }
}
