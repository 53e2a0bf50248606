/**
 * A store that may be away: stopped, unreachable, its disk full, its file corrupt. Whoever uses it through the guard never sees
 * that as an error, but for those who ask for something that only the store can do. One line is logged when it goes and one
 * when it is back; in between it is tried again, later and later.
 */
import { TricornError } from '../errors.ts';
import type { Logger } from '../log/logger.ts';
import type { JobSpec } from './job.ts';
import { NOT_HELD } from './records.ts';
import type { Acquired, Ended, EndRequest, Run, Store, StoreListener } from './store.ts';
import { realTimers, type Timers } from './timers.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 15_000;
/** While a run goes on whose lock may be gone with the connection, it must be taken back before others may take it. */
const LONGEST_WAIT_IN_RUN_MS = 200;

export interface GuardOptions {
  readonly log: Logger;
  readonly timers?: Timers;
  /** Math.random */
  readonly random?: () => number;
}

export class StoreGuard {
  readonly store: Store;
  readonly #log: Logger;
  readonly #timers: Timers;
  readonly #random: () => number;
  readonly #held = new Set<Run>();
  /** Undefined while the store is there. */
  #away: Away | undefined;
  #declared: { readonly specs: readonly JobSpec[]; readonly since: number } | undefined;
  #listener: StoreListener | undefined;
  #isListening = false;
  #isClosed = false;
  #cancelRetry: (() => void) | undefined;

  constructor(store: Store, { log, timers = realTimers, random = Math.random }: GuardOptions) {
    this.store = store;
    this.#log = log;
    this.#timers = timers;
    this.#random = random;
  }

  get isAway(): boolean {
    return this.#away !== undefined;
  }

  /** Declares the jobs and begins to listen, if there is a listener; where the store is away, when it is back. */
  async begin(specs: readonly JobSpec[], since: number, listener?: StoreListener): Promise<void> {
    this.#declared = { specs, since };
    this.#listener = listener;
    await this.#attempt(() => this.#introduce(), undefined);
  }

  /** The same jobs with other specs, once they have been declared; where the store is away, when it is back. */
  async declareAnew(specs: readonly JobSpec[]): Promise<void> {
    if (!this.#declared) return;
    const { since } = (this.#declared = { ...this.#declared, specs });
    await this.#attempt(() => this.store.sync(specs, since), undefined);
  }

  /** Resolves when the store is there, or is wanted no more. */
  async present(): Promise<void> {
    await this.#away?.promise;
  }

  async #introduce(): Promise<void> {
    if (this.#declared) await this.store.sync(this.#declared.specs, this.#declared.since);
    if (this.#isListening || !this.#listener) return;
    const listener = this.#listener;
    await this.store.listen({
      // Once it is back, the listener is woken anyway.
      onWake: () => {
        if (!this.#away) listener.onWake();
      },
      onLost: (run) => {
        for (const held of this.#held) if (held.runId === run.runId && held.name === run.name) this.#held.delete(held);
        listener.onLost(run);
      },
      onFound: (lost) => listener.onFound?.(lost),
      onFailure: (error) => this.#failed(error),
    });
    this.#isListening = true;
  }

  /** Nothing while the store is away: the listener is woken when it is back. */
  async acquire(names: readonly string[]): Promise<Acquired> {
    const acquired = await this.#attempt(() => this.store.acquire(names), { run: undefined, dueInMs: undefined });
    if (acquired.run) this.#held.add(acquired.run);
    return acquired;
  }

  /** @returns false where the run had been lost; what is told while the store is away is not kept */
  progress(run: Run, done: number, remaining: number): Promise<boolean> {
    return this.#attempt(() => this.store.progress(run, done, remaining), true);
  }

  /** Waits for the store to be back: how a run ended must not be forgotten, or it would be run again. */
  async end(run: Run, request: EndRequest): Promise<Ended> {
    for (;;) {
      if (this.#away) await this.#away.promise;
      if (this.#isClosed) return NOT_HELD;
      const ended = await this.#attempt<Ended | undefined>(() => this.store.end(run, request), undefined);
      if (!ended) continue;
      if (!ended.goesOn) this.#held.delete(run);
      return ended;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#away?.resolve();
    try {
      await this.store.close();
    } catch {
      // It is away: there is nothing to let go of.
    }
  }

  async #attempt<T>(call: () => Promise<T>, otherwise: T): Promise<T> {
    if (this.#away || this.#isClosed) return otherwise;
    try {
      return await call();
    } catch (error) {
      if (error instanceof TricornError && error.code === 'TRC_JOB_UNKNOWN') throw error;
      this.#failed(error);
      return otherwise;
    }
  }

  #failed(error: unknown): void {
    if (this.#away || this.#isClosed) return;
    this.#away = new Away();
    this.#log.error(`Jobs pause: ${error instanceof Error ? error.message : String(error)}`);
    this.#retryLater(this.#timers.now(), 1);
  }

  #retryLater(since: number, attempt: number): void {
    const longest = this.#held.size > 0 ? LONGEST_WAIT_IN_RUN_MS : LONGEST_WAIT_MS;
    const ceiling = Math.min(longest, FIRST_WAIT_MS * 2 ** (attempt - 1));
    const wait = ceiling * (0.5 + this.#random() / 2);
    this.#cancelRetry = this.#timers.after(wait, () => void this.#retry(since, attempt));
  }

  async #retry(since: number, attempt: number): Promise<void> {
    try {
      await this.store.reopen();
      await this.#introduce();
    } catch {
      // As before: the first line has said why.
      if (!this.#isClosed) this.#retryLater(since, attempt + 1);
      return;
    }
    const seconds = Math.round((this.#timers.now() - since) / 100) / 10;
    this.#log.info(`The store of the jobs, ${this.store.place}, is back after ${seconds} s`);
    this.#away?.resolve();
    this.#away = undefined;
    this.#listener?.onWake();
  }
}

/** Its promise is resolved when the store is back. */
class Away {
  resolve: () => void = () => {};
  readonly promise: Promise<void> = new Promise((resolve) => (this.resolve = resolve));
}
