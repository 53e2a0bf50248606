/**
 * Counters of one event loop in shared memory: the loop that serves writes them, the accepting thread reads them to
 * find who is least busy, without a message (DESIGN, fact 5).
 */
const INFLIGHT = 64;
const REQUESTS = 65;
/** In a cache line of its own: two threads write it. */
const CONNECTIONS = 96;
/** Far more than is used: counters of two loops in one cache line cost threaded mode a tenth of its CPU. */
const BYTES = 512;

export class LoopCounters {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer);
  }

  get inflight(): number {
    return this.#cells[INFLIGHT] ?? 0;
  }

  get connections(): number {
    return this.#cells[CONNECTIONS] ?? 0;
  }

  /** Since the loop started; wraps to 0 after 2^32. */
  get requests(): number {
    return (this.#cells[REQUESTS] ?? 0) >>> 0;
  }

  // Only the serving loop writes these two: plain stores are enough, and cheaper than Atomics.
  requestBegins(): void {
    this.#cells[INFLIGHT]! += 1;
    this.#cells[REQUESTS]! += 1;
  }

  requestEnds(): void {
    this.#cells[INFLIGHT]! -= 1;
  }

  // Two threads write this one: the accepting thread adds when it hands over, so that a burst spreads at once.
  connectionBegins(): void {
    Atomics.add(this.#cells, CONNECTIONS, 1);
  }

  connectionEnds(): void {
    Atomics.sub(this.#cells, CONNECTIONS, 1);
  }
}
