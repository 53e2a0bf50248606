/**
 * What is remembered about the numbers of workers or threads, whoever holds them: how long each has to wait before its
 * next start. Used by the supervisor for worker processes and by a threaded worker for its threads.
 */
import { Backoff } from './backoff.ts';

export interface SlotsOptions {
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** The wait of a number is over. */
  readonly onDue: () => void;
}

interface Slot {
  readonly backoff: Backoff;
  notBefore: number;
}

export class Slots {
  readonly #clock: () => number;
  readonly #onDue: () => void;
  readonly #slots = new Map<number, Slot>();
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;

  constructor({ clock, onDue }: SlotsOptions) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  mayStart(number: number): boolean {
    return this.#clock() >= (this.#slots.get(number)?.notBefore ?? 0);
  }

  /** Whoever held the number has died, or cannot go on. @param readyAt by the clock; undefined = it never was */
  postpone({ number, readyAt }: { readonly number: number; readonly readyAt: number | undefined }): void {
    const slot = this.#slots.get(number) ?? { backoff: new Backoff(), notBefore: 0 };
    this.#slots.set(number, slot);
    const now = this.#clock();
    slot.notBefore = now + slot.backoff.next(readyAt === undefined ? 0 : now - readyAt);
    this.#wakeAt(slot.notBefore);
  }

  /** From now on the waits of all numbers have the highest ceiling, until a long life clears them. */
  slowDown(): void {
    for (const { backoff } of this.#slots.values()) backoff.slowDown();
  }

  /** No more wake-ups. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Infinity;
  }

  /** One timer serves all numbers: it is set for the earliest. */
  #wakeAt(moment: number): void {
    if (moment >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = moment;
    const wait = Math.max(0, Math.ceil(moment - this.#clock()));
    this.#timer = setTimeout(() => this.#onTimer(), wait).unref();
  }

  /** Timers count whole milliseconds from when their loop last turned: one that comes too early is set again. */
  #onTimer(): void {
    const due = this.#dueAt;
    const now = this.#clock();
    this.#dueAt = Infinity;
    if (now >= due) this.#onDue();
    const waiting = [...this.#slots.values()].map(({ notBefore }) => notBefore).filter((moment) => moment > now);
    if (waiting.length > 0) this.#wakeAt(Math.min(...waiting));
  }
}
