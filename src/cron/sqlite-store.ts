/** The store of one machine: a SQLite database in data_dir, which needs nothing to be installed. Calls its thread. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { JobSpec } from './job.ts';
import {
  DATABASE,
  MOVED,
  type Answer,
  type Call,
  type Failure,
  type Method,
  type StoreThreadBoot,
} from './sqlite-messages.ts';
import type {
  Acquired,
  Ended,
  EndRequest,
  JobStatus,
  Run,
  RunRecord,
  Store,
  StoreListener,
  StoreOptions,
  TriggerRequest,
} from './store.ts';
import { storeError, unknownJob } from './store-errors.ts';

const THREAD = fileURLToPath(new URL(`./sqlite-thread${import.meta.filename.slice(-3)}`, import.meta.url));

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Of the job that is asked for, for the message. */
  readonly name: string;
}

export class SqliteStore implements Store {
  readonly place: string;
  readonly #options: StoreOptions;
  readonly #folder: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #held = new Map<string, Run>();
  #thread: Worker | undefined;
  #listener: StoreListener | undefined;
  #calls = 0;
  /** A thread has ended by itself: the next one has neither our runs nor our listener yet. */
  #isOrphaned = false;

  /** @param folder data_dir; made where it is not there */
  constructor(folder: string, options: StoreOptions) {
    this.#folder = folder;
    this.#options = options;
    this.place = join(folder, DATABASE);
  }

  async sync(specs: readonly JobSpec[], since: number): Promise<void> {
    await this.#call('sync', specs, since);
  }

  async acquire(names: readonly string[]): Promise<Acquired> {
    const acquired = (await this.#call('acquire', names)) as Acquired;
    if (acquired.run) this.#held.set(acquired.run.name, acquired.run);
    return acquired;
  }

  async progress(run: Run, done: number, remaining: number): Promise<boolean> {
    return (await this.#call('progress', run, done, remaining)) as boolean;
  }

  async end(run: Run, request: EndRequest): Promise<Ended> {
    const ended = (await this.#call('end', run, request)) as Ended;
    if (!ended.goesOn) this.#held.delete(run.name);
    return ended;
  }

  async trigger(name: string, request?: TriggerRequest): Promise<void> {
    const ask = (): Promise<unknown> => this.#call('trigger', name, request);
    try {
      await ask();
    } catch (error) {
      // Whoever only triggers may be the last to notice that there is another database.
      const isThere = (error as Error).cause === MOVED && existsSync(this.place);
      if (this.#listener || !isThere) throw error;
      await ask();
    }
  }

  async pause(name: string): Promise<void> {
    await this.#call('pause', name);
  }

  async resume(name: string): Promise<void> {
    await this.#call('resume', name);
  }

  async list(): Promise<JobStatus[]> {
    return (await this.#call('list')) as JobStatus[];
  }

  async history(name: string): Promise<RunRecord[]> {
    return (await this.#call('history', name)) as RunRecord[];
  }

  async listen(listener: StoreListener): Promise<void> {
    this.#listener = listener;
    await this.#call('listen');
  }

  async reopen(): Promise<void> {
    await this.#call('reopen');
    if (!this.#isOrphaned) return;
    // Its locks ended with the old thread.
    const lost = (await this.#call('adopt', [...this.#held.values()])) as Run[];
    for (const run of lost) this.#held.delete(run.name);
    if (this.#listener) await this.#call('listen');
    this.#isOrphaned = false;
    for (const run of lost) this.#listener?.onLost(run);
  }

  async close(): Promise<void> {
    this.#listener = undefined;
    const thread = this.#thread;
    if (!thread) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    await this.#call('close');
    thread.ref();
    await ended;
  }

  #call(method: Method, ...args: readonly unknown[]): Promise<unknown> {
    const thread = (this.#thread ??= this.#start());
    const id = (this.#calls += 1);
    const call: Call = { id, method, now: this.#now(), args };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, name: String(args[0]) });
      // Nobody's process stays alive for the store, unless somebody waits for an answer.
      thread.ref();
      thread.postMessage(call);
    });
  }

  #start(): Worker {
    const { who, limits, history } = this.#options;
    const clockOffset = this.#now() - Date.now();
    const workerData: StoreThreadBoot = { folder: this.#folder, who, limits, history, clockOffset };
    const thread = new Worker(THREAD, { name: 'tricorn store', workerData });
    thread.on('message', (answer: Answer) => this.#answered(thread, answer));
    let reason = 'its thread has ended';
    thread.on('error', (error: Error) => (reason = error.message));
    thread.on('exit', () => this.#ended(thread, reason));
    return thread;
  }

  #answered(thread: Worker, answer: Answer): void {
    if ('wake' in answer) return this.#listener?.onWake();
    if ('found' in answer) {
      for (const lost of answer.found) this.#listener?.onFound?.(lost);
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) thread.unref();
    if ('failure' in answer) waiting?.reject(this.#errorOf(answer.failure, waiting.name));
    else waiting?.resolve(answer.result);
  }

  #errorOf({ message, known }: Failure, name: string): Error {
    return known ? unknownJob(name, known) : storeError(this.place, message);
  }

  #ended(thread: Worker, reason: string): void {
    if (this.#thread === thread) this.#thread = undefined;
    this.#isOrphaned = true;
    const error = storeError(this.place, reason, reason);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    // Nobody may have asked: the next call would find a thread that does not listen.
    this.#listener?.onFailure?.(error);
  }

  #now(): number {
    return (this.#options.clock ?? Date.now)();
  }
}
