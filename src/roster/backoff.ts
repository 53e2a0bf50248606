/**
 * How long to wait before the next start of something that keeps dying: exponential with full jitter (AWS
 * Architecture Blog, "Exponential Backoff And Jitter"), so that many do not come back in step.
 */
const BASE_MS = 100;
const MOST_MS = 30_000;
/** So many deaths, and the ceiling is MOST_MS. */
const SLOW_AFTER = 1 + Math.ceil(Math.log2(MOST_MS / BASE_MS));
/** A life this long clears the record. */
const RESET_MS = 30_000;

export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Milliseconds to wait after a death, given how long that life lasted once it was ready (0 = never ready). */
  next(livedMs: number): number {
    if (livedMs >= RESET_MS) this.#failures = 0;
    // The first death is an accident: its replacement starts at once.
    const ceiling = this.#failures === 0 ? 0 : Math.min(MOST_MS, BASE_MS * 2 ** (this.#failures - 1));
    this.#failures += 1;
    return ceiling * this.#random();
  }

  /** As after many deaths: the next waits have the highest ceiling. */
  slowDown(): void {
    this.#failures = Math.max(this.#failures, SLOW_AFTER);
  }
}
