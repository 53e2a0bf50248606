/** The SQLite store's operations, synchronous. Lives in the store's thread; sqlite-store.ts is its other side. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { JobSpec } from './job.ts';
import { lostRunOf, reasonOfLoss } from './lost-run.ts';
import { SKEW_MS } from './missed.ts';
import { inOrder } from './order.ts';
import { begunRecord, candidateOf, endedOf, isRunning, NOT_HELD, runOf, statusOf } from './records.ts';
import { begin, end, nextSlice, progressed, type EndContext, type FailureLimits } from './run-state.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { DATABASE, HOLDERS, MOVED } from './sqlite-messages.ts';
import { beginSession, isAlive, sweepSessions, type Session } from './sqlite-session.ts';
import { asPaused, declared, isReady, resumed, triggered, undeclared, type JobState } from './state.ts';
import type {
  Acquired,
  Ended,
  EndRequest,
  Identity,
  JobStatus,
  LostRun,
  Run,
  RunRecord,
  TriggerRequest,
} from './store.ts';

export interface EngineOptions {
  /** data_dir */
  readonly folder: string;
  readonly who: Identity;
  readonly limits: FailureLimits;
  readonly history: number;
}

/** Thrown to those who name a job that the store does not know. */
export class UnknownJob extends Error {
  readonly known: readonly string[];

  constructor(known: readonly string[]) {
    super('no such job');
    this.known = known;
  }
}

/** Whoever has the database open writes where nobody looks any longer: its handle must begin anew. */
export class Moved extends Error {
  constructor() {
    super(MOVED);
  }
}

/** Methods that may make a job due tell it by `onDue`, once it is committed. */
export class SqliteEngine {
  readonly #options: EngineOptions;
  readonly #onDue: () => void;
  readonly #session: Session;
  #database: SqliteDatabase;

  constructor(options: EngineOptions, onDue: () => void) {
    this.#options = options;
    this.#onDue = onDue;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.#database = new SqliteDatabase(join(options.folder, DATABASE));
    try {
      this.#session = beginSession(this.#holders);
      sweepSessions(this.#holders);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  get isMoved(): boolean {
    return this.#database.isMoved;
  }

  sync(now: number, specs: readonly JobSpec[], since: number): void {
    const db = this.#database;
    db.transaction(() => {
      const names = new Set(specs.map(({ name }) => name));
      for (const spec of specs) this.#saveIfNew(db.state(spec.name), (state) => declared(state, spec, since, now));
      for (const state of db.states()) {
        if (!names.has(state.spec.name)) this.#saveIfNew(state, () => undeclared(state, since));
      }
    });
    this.#onDue();
  }

  acquire(now: number, names: readonly string[]): Acquired {
    const db = this.#database;
    const run = this.#candidates(now, names).length > 0 ? db.transaction(() => this.#take(now, names)) : undefined;
    const due = run ? undefined : db.nextDue(names);
    return { run, dueInMs: due === undefined ? undefined : Math.max(0, due - now) };
  }

  /** Again under the lock: others may have been faster. */
  #take(now: number, names: readonly string[]): Run | undefined {
    for (const { name } of this.#candidates(now, names)) {
      const state = this.#database.state(name);
      if (!state || !isReady(state, now)) continue;
      const next = this.#saveIfNew(state, () => begin(state, this.#session.id, now));
      const run = runOf(next);
      if (!run) continue;
      this.#database.begun(begunRecord(run, this.#options.who, now));
      return run;
    }
    return undefined;
  }

  #candidates(now: number, names: readonly string[]): ReturnType<typeof inOrder> {
    return inOrder(this.#database.due(names, now, now + SKEW_MS).map(candidateOf));
  }

  progress(_now: number, run: Run, done: number, remaining: number): boolean {
    return this.#database.transaction(() => {
      const state = this.#database.state(run.name);
      if (!this.#isMine(state, run)) return false;
      this.#database.save(progressed(state, done, remaining));
      return true;
    });
  }

  end(now: number, run: Run, request: EndRequest): Ended {
    const { outcome, error, unlessDue } = request;
    const ended = this.#database.transaction(() => {
      const state = this.#database.state(run.name);
      if (!this.#isMine(state, run)) return NOT_HELD;
      if (outcome === 'partial' && unlessDue && this.#candidates(now, unlessDue).length === 0) {
        this.#database.save(nextSlice(state, now));
        return endedOf(state, true);
      }
      return endedOf(this.#finish(state, { outcome, error: error ?? null, endedAt: now }), false);
    });
    if (ended.nextAt !== null) this.#onDue();
    return ended;
  }

  #finish(state: JobState, how: Parameters<SqliteDatabase['ended']>[1]): JobState {
    const context: EndContext = { now: how.endedAt, limits: this.#options.limits, random: Math.random() };
    const next = end(state, how.outcome, context);
    this.#database.save(next);
    this.#database.ended(state, how, this.#options.history);
    return next;
  }

  trigger(now: number, name: string, { at = now, coalesce = true }: TriggerRequest = {}): void {
    this.#change(name, (state) => triggered(state, at, coalesce, now));
  }

  pause(_now: number, name: string): void {
    this.#change(name, asPaused);
  }

  resume(now: number, name: string): void {
    this.#change(name, (state) => resumed(state, now));
  }

  #change(name: string, change: (state: JobState) => JobState): void {
    const isChanged = this.#database.transaction(() => {
      const state = this.#known(name);
      return this.#saveIfNew(state, () => change(state)) !== state;
    });
    if (isChanged) this.#onDue();
  }

  list(): JobStatus[] {
    return this.#database.states().map((state) => statusOf(state, this.#database.records(state.spec.name, 2)));
  }

  history(_now: number, name: string): RunRecord[] {
    this.#known(name);
    return this.#database.records(name, this.#options.history);
  }

  /** When the next of all jobs is due, and whether others hold runs, who may die. */
  look(): { readonly due: number | undefined; readonly others: boolean } {
    return { due: this.#database.nextDue(), others: this.#database.holders(this.#session.id).length > 0 };
  }

  /** Frees the runs of those who died. */
  reap(now: number): LostRun[] {
    const dead = this.#database.holders(this.#session.id).filter((holder) => !isAlive(this.#holders, holder));
    if (dead.length === 0) return [];
    const lost = this.#database.transaction(() =>
      dead
        .flatMap((holder) => this.#database.heldBy(holder))
        .map((state) => {
          const error = reasonOfLoss(state, now);
          return lostRunOf(state, this.#finish(state, { outcome: 'lost', error, endedAt: now }), now);
        }),
    );
    this.#onDue();
    return lost;
  }

  /** Takes over the runs of an earlier session of the same handle. @returns those that are somebody else's by now */
  adopt(_now: number, runs: readonly Run[]): Run[] {
    return this.#database.transaction(() =>
      runs.filter((run) => {
        const state = this.#database.state(run.name);
        if (!isRunning(state, run) || !state.running) return true;
        this.#database.save({ ...state, running: { ...state.running, holder: this.#session.id } });
        return false;
      }),
    );
  }

  reopen(): void {
    const fresh = new SqliteDatabase(join(this.#options.folder, DATABASE));
    this.#database.close();
    this.#database = fresh;
  }

  close(): void {
    this.#session.end();
    this.#database.close();
  }

  get #holders(): string {
    return join(this.#options.folder, HOLDERS);
  }

  #isMine(state: JobState | undefined, run: Run): state is JobState {
    return isRunning(state, run) && state.running?.holder === this.#session.id;
  }

  #known(name: string): JobState {
    const state = this.#database.state(name);
    if (!state) throw new UnknownJob(this.#database.states().map(({ spec }) => spec.name));
    return state;
  }

  #saveIfNew<S extends JobState | undefined>(state: S, change: (state: S) => JobState): JobState {
    const next = change(state);
    if (next !== state) this.#database.save(next);
    return next;
  }
}
