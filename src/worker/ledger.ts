/**
 * The ledger of one event loop, in shared memory: its counters, its beat, and the requests that it has in flight. The
 * loop writes; whoever watches from outside reads, also while the loop is blocked and could not be asked. The accepting
 * thread finds in it who is least busy, without a message (DESIGN, fact 5).
 *
 * Layout: HEAD_CELLS 32-bit cells; the loop's clock as one double; when its job must have ended as another; for each of SLOTS slots when its request began as a
 * double, the length of its text in a 32-bit cell (0 = free), and TEXT_BYTES of Latin-1 for `METHOD URL`.
 */
const INFLIGHT = 0;
const REQUESTS = 1;
const BEATS = 2;
const LEAVES = 3;
/** In a cache line of its own: two threads write it. */
const CONNECTIONS = 32;
const HEAD_CELLS = 64;
const HEAD_BYTES = HEAD_CELLS * 4;
/** Requests in flight beyond these are counted, but not listed. */
const SLOTS = 128;
const TEXT_BYTES = 248;
const CLOCK_OFFSET = HEAD_BYTES;
const DEADLINE_OFFSET = CLOCK_OFFSET + 8;
const TIMES_OFFSET = DEADLINE_OFFSET + 8;
const LENGTHS_OFFSET = TIMES_OFFSET + SLOTS * 8;
const TEXTS_OFFSET = LENGTHS_OFFSET + SLOTS * 4;
const BYTES = TEXTS_OFFSET + SLOTS * TEXT_BYTES;
const NO_SLOT = -1;
const BLANK = 32;

/** A request in flight, as seen from outside. */
export interface LedgerEntry {
  /** `GET /path?query`, cut where it is long. */
  readonly text: string;
  readonly ageMs: number;
}

export class Ledger {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #clock: Float64Array;
  readonly #deadline: Float64Array;
  readonly #times: Float64Array;
  readonly #lengths: Int32Array;
  readonly #texts: Buffer;
  /** Only the loop's own instance uses it. */
  readonly #free: number[] = Array.from({ length: SLOTS }, (_, slot) => SLOTS - 1 - slot);

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer, 0, HEAD_CELLS);
    this.#clock = new Float64Array(buffer, CLOCK_OFFSET, 1);
    this.#deadline = new Float64Array(buffer, DEADLINE_OFFSET, 1);
    this.#times = new Float64Array(buffer, TIMES_OFFSET, SLOTS);
    this.#lengths = new Int32Array(buffer, LENGTHS_OFFSET, SLOTS);
    this.#texts = Buffer.from(buffer, TEXTS_OFFSET, SLOTS * TEXT_BYTES);
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

  /** Changes as long as the loop turns. */
  get beats(): number {
    return this.#cells[BEATS] ?? 0;
  }

  /** Its thread has begun to end: what is handed to it is lost. */
  get leaves(): boolean {
    return this.#cells[LEAVES] === 1;
  }

  /** Milliseconds until its job must have ended, below 0 once it is late; Infinity where none has to. */
  get leftMs(): number {
    const deadline = this.#deadline[0] ?? 0;
    return deadline === 0 ? Infinity : deadline + (this.#clock[0] ?? 0) - monotonicMs();
  }

  /** The requests in flight, the oldest first. */
  entries(): LedgerEntry[] {
    const now = monotonicMs() - (this.#clock[0] ?? 0);
    return Array.from(this.#lengths, (length, slot) => ({ length, slot }))
      .filter(({ length }) => length > 0)
      .map(({ length, slot }) => ({
        text: this.#texts.toString('latin1', slot * TEXT_BYTES, slot * TEXT_BYTES + length),
        ageMs: now - (this.#times[slot] ?? 0),
      }))
      .toSorted((a, b) => b.ageMs - a.ageMs);
  }

  /** The loop's side: says by which clock its times are to be read. Call it once, in the loop. */
  open(): void {
    // performance.now() starts at 0 in each thread; the distance to the clock that all threads share does not change.
    this.#clock[0] = monotonicMs() - performance.now();
  }

  /** The loop's side: it takes nothing more. */
  leave(): void {
    this.#cells[LEAVES] = 1;
  }

  /** The loop's side: it turns. */
  beat(): void {
    this.#cells[BEATS]! += 1;
  }

  /** The loop's side: its job must have ended by then, or the loop is killed. @param at performance.now(); Infinity = never */
  jobEndsBy(at: number): void {
    this.#deadline[0] = at === Infinity ? 0 : at;
  }

  /**
   * The loop's side: a request begins. Plain stores: only the loop writes these, and a torn text is no worse than an old
   * one.
   *
   * @param begun performance.now()
   * @returns the slot, for requestEnds()
   */
  requestBegins(method: string, url: string, begun: number): number {
    this.#cells[INFLIGHT]! += 1;
    this.#cells[REQUESTS]! += 1;
    const slot = this.#free.pop() ?? NO_SLOT;
    if (slot === NO_SLOT) return slot;
    this.#times[slot] = begun;
    const start = slot * TEXT_BYTES;
    const end = copyText(method, this.#texts, start, start + TEXT_BYTES - 1);
    this.#texts[end] = BLANK;
    this.#lengths[slot] = copyText(url, this.#texts, end + 1, start + TEXT_BYTES) - start;
    return slot;
  }

  requestEnds(slot: number = NO_SLOT): void {
    this.#cells[INFLIGHT]! -= 1;
    if (slot === NO_SLOT) return;
    this.#lengths[slot] = 0;
    this.#free.push(slot);
  }

  // Two threads write this one: the accepting thread adds when it hands over, so that a burst spreads at once.
  connectionBegins(): void {
    Atomics.add(this.#cells, CONNECTIONS, 1);
  }

  connectionEnds(): void {
    Atomics.sub(this.#cells, CONNECTIONS, 1);
  }
}

/** Returns where it ended. For such short texts a loop takes a tenth of the time of Buffer.write(). */
function copyText(text: string, bytes: Buffer, start: number, end: number): number {
  const stop = Math.min(start + text.length, end);
  for (let at = start; at < stop; at += 1) bytes[at] = text.charCodeAt(at - start);
  return stop;
}

/** Milliseconds of the clock that all threads of a process share. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
