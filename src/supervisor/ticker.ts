/** Calls the supervisor's tick: soon after somebody woke it, however many did, and else once a second. */
const TICK_MS = 1000;

export class Ticker {
  readonly #tick: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;

  constructor(tick: () => void) {
    this.#tick = tick;
  }

  /** From now on it ticks, and keeps the process alive. */
  start(): void {
    this.#timer = setInterval(() => this.wake(), TICK_MS);
    this.wake();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  wake(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (this.#timer) this.#tick();
    });
  }
}
