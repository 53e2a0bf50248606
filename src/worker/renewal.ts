/**
 * Replaces the threads of a worker by those of another generation, one after the other: a rolling reload within the
 * process. Lives in its main thread.
 *
 * One old thread at a time is retired, and serves until the new one in its place is ready. Where that does not become
 * ready, the old one stays, and so do all that have not been replaced: nobody is missing. What has been replaced by then
 * runs the new code, and is left so: there is nothing to go back to where the new files were written over the old ones.
 */
import type { WireError } from '../errors.ts';
import type { Config } from '../config/config.ts';
import type { PoolThread } from './pool-thread.ts';

export interface RenewalOptions {
  /** Those there are, as they come and go. */
  readonly threads: ReadonlySet<PoolThread>;
  /** The new one; all others are old. */
  readonly generation: number;
  /** Of the new one. */
  readonly config: Config;
}

export class Renewal {
  readonly #options: RenewalOptions;
  readonly #over: PromiseWithResolvers<WireError | undefined> = Promise.withResolvers();
  #retired: PoolThread | undefined;
  #isOver = false;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Resolves when all are replaced, or with the reason why one could not be. */
  get over(): Promise<WireError | undefined> {
    return this.#over.promise;
  }

  /** Lets the next one go, once the one before is replaced. To be called whenever a thread has changed. */
  step(): void {
    if (this.#isOver || this.#retired?.state === 'retiring') return;
    const old = this.#old();
    this.#retired = old.find(({ state }) => state === 'ready');
    if (this.#retired) this.#retired.retire();
    else if (old.length === 0) this.#end();
  }

  /** A thread has ended before it was ready. */
  onFailed(thread: PoolThread): void {
    if (this.#isOver || thread.generation !== this.#options.generation) return;
    const reason = thread.whyNotReady(this.#options.config.app);
    if (this.#retired?.state === 'retiring') this.#retired.stay();
    this.#end({ ...reason, message: `${reason.message}${this.#mixture()}` });
  }

  /** Those that still have to be replaced. */
  #old(): PoolThread[] {
    const { threads, generation } = this.#options;
    const leaves = ({ state }: PoolThread): boolean => state === 'draining' || state === 'exited';
    return [...threads].filter((thread) => thread.generation !== generation && !leaves(thread));
  }

  /** Two versions serve side by side, and nobody but the log can know. */
  #mixture(): string {
    const { threads, generation } = this.#options;
    const fresh = [...threads].filter((thread) => thread.generation === generation && thread.state === 'ready').length;
    return fresh === 0
      ? ''
      : ` (after ${fresh} of its threads had: they run the new code, ${this.#old().length} the old)`;
  }

  #end(error?: WireError): void {
    this.#isOver = true;
    this.#over.resolve(error);
  }
}
