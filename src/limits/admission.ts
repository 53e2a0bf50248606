/**
 * Pure: which requests of an event loop run, which wait for their turn, and which are refused. After Puma's queue_requests
 * and nginx's limit_conn, with an age for what waits: an answer that comes after its client has given up helps nobody.
 */
import type { Config } from '../config/config.ts';

export interface AdmissionLimits {
  /** Requests that run at the same time. */
  readonly inflight: number;
  /** Requests that wait. Infinity = no limit. */
  readonly queue: number;
  /** How long one may wait, milliseconds. Infinity = no limit. */
  readonly ageMs: number;
}

/** Undefined where max_inflight is off: every request runs at once. */
export function admissionLimits({ max_inflight, max_queue, max_queue_age }: Config): AdmissionLimits | undefined {
  if (max_inflight === 0) return undefined;
  return { inflight: max_inflight, queue: max_queue || Infinity, ageMs: (max_queue_age || Infinity) * 1000 };
}

/** max_inflight is off, and was on before. */
export const NO_LIMITS: AdmissionLimits = { inflight: Infinity, queue: Infinity, ageMs: Infinity };

export class Admission<Item> {
  #limits: AdmissionLimits;
  readonly #clock: () => number;
  /** Since when each of them waits, the oldest first. */
  readonly #waiting = new Map<Item, number>();
  #running: number;

  /**
   * @param clock milliseconds that only ever grow
   * @param running how many run already; each of them must leave()
   */
  constructor(limits: AdmissionLimits, clock: () => number, running: number = 0) {
    this.#limits = limits;
    this.#clock = clock;
    this.#running = running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** What becomes of a request that begins. One that runs or waits must leave(). */
  enter(item: Item): 'run' | 'wait' | 'refuse' {
    if (this.#running < this.#limits.inflight) {
      this.#running += 1;
      return 'run';
    }
    if (this.#waiting.size >= this.#limits.queue) return 'refuse';
    this.#waiting.set(item, this.#clock());
    return 'wait';
  }

  /** A request has ended, or its client has given it up while it waited. Returns the one that runs in its place. */
  leave(item: Item): Item | undefined {
    if (this.#waiting.delete(item)) return undefined;
    const [first] = this.#waiting.keys();
    // Limits that have come down: more run than may.
    const next = this.#running > this.#limits.inflight ? undefined : first;
    if (next === undefined) this.#running -= 1;
    else this.#waiting.delete(next);
    return next;
  }

  /** Other limits from now on. Returns those that need not wait any longer: they run. */
  change(limits: AdmissionLimits): Item[] {
    this.#limits = limits;
    const free = Math.max(limits.inflight - this.#running, 0);
    const next = [...this.#waiting.keys()].slice(0, free);
    for (const item of next) this.#waiting.delete(item);
    this.#running += next.length;
    return next;
  }

  /** Takes out those that have waited too long: they are to be refused. */
  expire(): Item[] {
    const since = this.#clock() - this.#limits.ageMs;
    const late = [...this.#waiting].filter(([, began]) => began <= since).map(([item]) => item);
    for (const item of late) this.#waiting.delete(item);
    return late;
  }
}
