/**
 * The store of many machines: PostgreSQL. A job is acquired by FOR NO KEY UPDATE SKIP LOCKED, with its readiness checked again
 * under the lock; the run is then held by an advisory lock of this handle's own connection. It ends with the connection, as the
 * row's own lock would (Odoo's ir_cron holds that), but needs no transaction that stays open for as long as the job runs and
 * keeps the server from cleaning up.
 */
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { TricornError } from '../errors.ts';
import type { JobSpec } from './job.ts';
import { lostRunOf, reasonOfLoss } from './lost-run.ts';
import { SKEW_MS } from './missed.ts';
import { inOrder } from './order.ts';
import { connect, disconnect, placeOf } from './postgres-connection.ts';
import { OrphanWatch } from './postgres-orphans.ts';
import * as rows from './postgres-rows.ts';
import { begunRecord, candidateOf, endedOf, isRunning, NOT_HELD, runOf, statusOf } from './records.ts';
import { begin, end, nextSlice, progressed, type Outcome } from './run-state.ts';
import { asPaused, declared, isReady, resumed, triggered, undeclared, type JobState } from './state.ts';
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

/** When to ask again after a job that is due, but was locked by somebody, milliseconds. */
const AGAIN_MS = 50;

export class PostgresStore implements Store {
  readonly place: string;
  readonly #url: string;
  readonly #options: StoreOptions;
  readonly #holder = randomUUID();
  readonly #held = new Map<string, Run>();
  readonly #orphans: OrphanWatch;
  #client: Client | undefined;
  #listener: StoreListener | undefined;
  /** One statement after the other: transactions of one connection must not mix. */
  #queue: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(url: string, options: StoreOptions) {
    this.#url = url;
    this.#options = options;
    this.place = placeOf(url);
    this.#orphans = new OrphanWatch({
      look: () => this.#use((client) => rows.others(client, this.#holder)),
      free: (name, runId) => this.#use((client, now) => this.#free(client, now, name, runId)),
      onFailure: (error) => this.#listener?.onFailure?.(error),
    });
  }

  sync(specs: readonly JobSpec[], since: number): Promise<void> {
    return this.#change(async (client, now) => {
      const states = new Map((await rows.lockAll(client)).map((state) => [state.spec.name, state]));
      for (const spec of specs) {
        const state = states.get(spec.name);
        const next = declared(state, spec, since, now);
        if (next !== state) await rows.save(client, next);
        states.delete(spec.name);
      }
      for (const state of states.values()) {
        const next = undeclared(state, since);
        if (next !== state) await rows.save(client, next);
      }
      await rows.notify(client, 'due');
    });
  }

  acquire(names: readonly string[]): Promise<Acquired> {
    return this.#use(async (client, now) => {
      let isLocked = false;
      for (const { name } of inOrder((await rows.due(client, names, now, now + SKEW_MS)).map(candidateOf))) {
        const taken = await this.#take(client, now, name);
        if (typeof taken === 'object') return { run: taken, dueInMs: undefined };
        isLocked ||= taken === 'locked';
      }
      const next = await rows.nextDue(client, names);
      const dueInMs = next === undefined ? undefined : Math.max(0, next - now);
      return { run: undefined, dueInMs: isLocked ? AGAIN_MS : dueInMs };
    });
  }

  async #take(client: Client, now: number, name: string): Promise<Run | 'locked' | undefined> {
    const taken = await rows.transaction(client, async () => {
      const row = await rows.lockIfFree(client, name);
      if (!row) return 'locked';
      if (!isReady(row.state, now)) return undefined;
      const next = begin(row.state, this.#holder, now);
      const run = runOf(next);
      if (run && !(await rows.holdRun(client, row.id))) return 'locked';
      if (next !== row.state) await rows.save(client, next);
      if (!run) return undefined;
      await rows.begun(client, begunRecord(run, this.#options.who, now));
      await rows.notify(client, 'run');
      return run;
    });
    if (typeof taken === 'object') this.#held.set(name, taken);
    return taken;
  }

  progress(run: Run, done: number, remaining: number): Promise<boolean> {
    return this.#change(async (client) => {
      const row = await rows.lock(client, run.name);
      if (!row || !this.#isMine(row.state, run)) return false;
      await rows.save(client, progressed(row.state, done, remaining));
      return true;
    });
  }

  async end(run: Run, { outcome, error, unlessDue }: EndRequest): Promise<Ended> {
    const result = await this.#change(async (client, now) => {
      const row = await rows.lock(client, run.name);
      if (!row || !this.#isMine(row.state, run)) return NOT_HELD;
      if (outcome === 'partial' && unlessDue && (await rows.due(client, unlessDue, now, now + SKEW_MS)).length === 0) {
        await rows.save(client, nextSlice(row.state, now));
        return endedOf(row.state, true);
      }
      const next = await this.#finish(client, row.state, { outcome, error: error ?? null, endedAt: now });
      // Before the row is free: whoever then looks at it must find the lock free as well.
      await rows.releaseRun(client, row.id);
      return endedOf(next, false);
    });
    if (!result.goesOn) this.#held.delete(run.name);
    return result;
  }

  async #finish(
    client: Client,
    state: JobState,
    how: { readonly outcome: Outcome; readonly error: string | null; readonly endedAt: number },
  ): Promise<JobState> {
    const next = end(state, how.outcome, { now: how.endedAt, limits: this.#options.limits, random: Math.random() });
    await rows.save(client, next);
    await rows.ended(client, state, how, this.#options.history);
    await rows.notify(client, 'due');
    return next;
  }

  trigger(name: string, { at, coalesce = true }: TriggerRequest = {}): Promise<void> {
    return this.#use(async (client, now) => {
      const change = (state: JobState): JobState => triggered(state, at ?? now, coalesce, now);
      // Mostly there is one already that serves. It is still to be run, or this would not have been read.
      const seen = await this.#known(client, name);
      if (change(seen) !== seen) await this.#changeState(client, name, change);
    });
  }

  pause(name: string): Promise<void> {
    return this.#use((client) => this.#changeState(client, name, asPaused));
  }

  resume(name: string): Promise<void> {
    return this.#use((client, now) => this.#changeState(client, name, (state) => resumed(state, now)));
  }

  async #changeState(client: Client, name: string, change: (state: JobState) => JobState): Promise<void> {
    await rows.transaction(client, async () => {
      const row = await rows.lock(client, name);
      const state = row?.state ?? (await this.#known(client, name));
      const next = change(state);
      if (next === state) return;
      await rows.save(client, next);
      await rows.notify(client, 'due');
    });
  }

  list(): Promise<JobStatus[]> {
    return this.#use(async (client) => {
      const found: JobStatus[] = [];
      for (const state of await rows.readAll(client)) {
        found.push(statusOf(state, await rows.records(client, state.spec.name, 2)));
      }
      return found;
    });
  }

  history(name: string): Promise<RunRecord[]> {
    return this.#use(async (client) => {
      await this.#known(client, name);
      return rows.records(client, name, this.#options.history);
    });
  }

  async listen(listener: StoreListener): Promise<void> {
    this.#listener = listener;
    await this.#use((client) => this.#listen(client));
  }

  async #listen(client: Client): Promise<void> {
    const { rows: found } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
    if (found[0]?.standby) {
      this.#options.warn?.(
        `${this.place} is in recovery: jobs are not woken, and none can be run until it is promoted`,
      );
    } else await client.query(`LISTEN ${rows.CHANNEL}`);
    client.on('notification', ({ payload }) => {
      if (payload === 'run') this.#orphans.start();
      else this.#listener?.onWake();
    });
    this.#orphans.start();
  }

  async reopen(): Promise<void> {
    const before = this.#client;
    this.#client = undefined;
    if (before) await disconnect(before);
    this.#orphans.back();
    const lost = await this.#use(async (client) => {
      if (this.#listener) await this.#listen(client);
      const found: Run[] = [];
      for (const run of this.#held.values()) if (!(await this.#takeBack(client, run))) found.push(run);
      return found;
    });
    for (const run of lost) {
      this.#held.delete(run.name);
      this.#listener?.onLost(run);
    }
  }

  /** @returns false where the run is somebody else's by now */
  #takeBack(client: Client, run: Run): Promise<boolean> {
    return rows.transaction(client, async () => {
      const row = await rows.lock(client, run.name);
      if (!row || !this.#isMine(row.state, run)) return false;
      if (await rows.holdRun(client, row.id)) return true;
      await rows.endHolder(client, row.id);
      throw new Error('the server still believes in the connection that was lost');
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#listener = undefined;
    this.#orphans.stop();
    await this.#queue;
    if (this.#client) await disconnect(this.#client);
  }

  /** Once more under the lock: its holder may have come back. */
  async #free(client: Client, now: number, name: string, runId: number): Promise<void> {
    const lost = await rows.transaction(client, async () => {
      const row = await rows.lock(client, name);
      if (!row || !isRunning(row.state, { runId }) || !(await rows.isOrphaned(client, row.id))) return undefined;
      const error = reasonOfLoss(row.state, now);
      const next = await this.#finish(client, row.state, { outcome: 'lost', error, endedAt: now });
      return lostRunOf(row.state, next, now);
    });
    if (lost) this.#listener?.onFound?.(lost);
  }

  #isMine(state: JobState, run: Run): boolean {
    return isRunning(state, run) && state.running?.holder === this.#holder;
  }

  async #known(client: Client, name: string): Promise<JobState> {
    const state = await rows.read(client, name);
    if (state) return state;
    throw unknownJob(
      name,
      (await rows.readAll(client)).map(({ spec }) => spec.name),
    );
  }

  #change<T>(body: (client: Client, now: number) => Promise<T>): Promise<T> {
    return this.#use((client, now) => rows.transaction(client, () => body(client, now)));
  }

  /** Runs one thing after the other on the connection, which is made where there is none. */
  #use<T>(body: (client: Client, now: number) => Promise<T>): Promise<T> {
    const result = this.#queue.then(async () => {
      try {
        if (this.#isClosed) throw new Error('it was closed');
        const client = (this.#client ??= await this.#connect());
        return await body(client, this.#options.clock?.() ?? (await rows.databaseTime(client)));
      } catch (error) {
        throw error instanceof TricornError ? error : storeError(this.place, (error as Error).message, error);
      }
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  async #connect(): Promise<Client> {
    let client: Client | undefined;
    client = await connect(this.#url, (error) => {
      if (!client || this.#client !== client) return;
      this.#client = undefined;
      this.#orphans.stop();
      if (this.#listener) this.#listener.onFailure?.(storeError(this.place, error.message, error));
    });
    return client;
  }
}
