/** What a load has seen so far: answers, failures, who answered; and promises for whoever waits for more. */
import { type FailureKind, LoadFailure } from './failure.ts';

export type ClientKind = 'keepAlive' | 'fresh' | 'pipelined' | 'upload' | 'download' | 'sse' | 'websocket';

export interface Failure {
  readonly kind: FailureKind;
  /** `keepAlive 2`. */
  readonly client: string;
  readonly detail: string;
}

/** Seen, and no failure. */
export interface Notes {
  /** A server closed an idle connection without having said so. */
  closedIdle: number;
  /** A pipelined request stood behind an answer with `Connection: close`, and was sent again. */
  sentAgain: number;
  /** The server ended a stream before its last event, or closed a websocket with 1001 or 1012. */
  ended: number;
  /** Clients that were refused after expectStop(), and have finished. */
  refusedAtStop: number;
  /** The same, but the socket closed while their connection stood in its queue: nobody had accepted it. */
  resetAtStop: number;
}

export interface LoadReport {
  readonly answered: Readonly<Record<ClientKind, number>>;
  /** At most MAX_FAILURES of them; `failed` counts all. */
  readonly failures: readonly Failure[];
  readonly failed: number;
  readonly notes: Readonly<Notes>;
  /** Everybody who answered, as `pid.thread.generation`. */
  readonly servedBy: ReadonlySet<string>;
}

const MAX_FAILURES = 50;

interface Waiter {
  readonly isMet: () => boolean;
  readonly done: PromiseWithResolvers<void>;
}

export class Tally {
  readonly answered: Record<ClientKind, number>;
  readonly failures: Failure[] = [];
  readonly notes: Notes = { closedIdle: 0, sentAgain: 0, ended: 0, refusedAtStop: 0, resetAtStop: 0 };
  readonly servedBy: Set<string> = new Set<string>();
  /** Resolves with the first failure. */
  readonly failure: PromiseWithResolvers<Failure> = Promise.withResolvers<Failure>();
  failed = 0;
  total = 0;
  readonly #waiters = new Set<Waiter>();

  constructor() {
    this.answered = { keepAlive: 0, fresh: 0, pipelined: 0, upload: 0, download: 0, sse: 0, websocket: 0 };
  }

  /** One more answer is verified to its last byte. */
  answer(kind: ClientKind, who: string): void {
    this.answered[kind] += 1;
    this.total += 1;
    this.servedBy.add(who);
    for (const waiter of this.#waiters) if (waiter.isMet()) this.#settle(waiter);
  }

  fail(client: string, error: unknown): void {
    // Whatever is not a failure of the server is one of the load itself, and must not pass either.
    const kind = error instanceof LoadFailure ? error.kind : 'unexpected close';
    const detail = error instanceof LoadFailure ? error.message : String((error as Error).stack);
    const failure = { kind, client, detail };
    if (this.failures.length < MAX_FAILURES) this.failures.push(failure);
    this.failed += 1;
    this.failure.resolve(failure);
    this.giveUp();
  }

  /** Resolves when `isMet` after an answer; rejects when it cannot come to that, and at the first failure. */
  async until(isMet: () => boolean): Promise<void> {
    if (this.failed > 0) throw this.#sorry();
    if (isMet()) return;
    const waiter = { isMet, done: Promise.withResolvers<void>() };
    this.#waiters.add(waiter);
    return waiter.done.promise;
  }

  /** Nobody can get what he waits for. */
  giveUp(): void {
    for (const waiter of this.#waiters) this.#settle(waiter, this.#sorry());
  }

  report(): LoadReport {
    const { answered, failures, failed, notes, servedBy } = this;
    return { answered, failures, failed, notes, servedBy };
  }

  #settle(waiter: Waiter, error?: Error): void {
    this.#waiters.delete(waiter);
    if (error) waiter.done.reject(error);
    else waiter.done.resolve();
  }

  #sorry(): Error {
    return new Error(formatReport(this.report()));
  }
}

/** For the message of an assertion. */
export function formatReport({ answered, failures, failed, notes, servedBy }: LoadReport): string {
  const counts = new Map<string, number>();
  for (const { kind } of failures) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const listed = failed > failures.length ? ` (of the first ${failures.length})` : '';
  return [
    `load: ${failed} failed${listed}: ${pairs(counts) || 'none'}`,
    `  answered: ${pairs(Object.entries(answered))}`,
    `  notes: ${pairs(Object.entries(notes))}`,
    `  served by: ${[...servedBy].join(', ')}`,
    ...failures.slice(0, 10).map(({ kind, client, detail }) => `  ${client}: ${kind}: ${detail}`),
  ].join('\n');
}

function pairs(entries: Iterable<[string, number]>): string {
  return [...entries].map(([name, count]) => `${name} ${count}`).join(', ');
}
