/**
 * Whether the service is in a crash loop: so many starts in a row failed, with nobody ready in between or beside them.
 * After systemd's StartLimitBurst, but it goes on trying.
 *
 * States: calm -> looping (the limit is reached) -> calm (somebody is ready).
 */
export interface CrashLoopOptions {
  /** Failed starts in a row; 0 = never. */
  readonly limit: number;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
}

export class CrashLoop {
  readonly #limit: number;
  readonly #clock: () => number;
  #failed = 0;
  #firstAt = 0;
  #state: 'calm' | 'looping' = 'calm';

  constructor({ limit, clock }: CrashLoopOptions) {
    this.#limit = limit;
    this.#clock = clock;
  }

  get isLooping(): boolean {
    return this.#state === 'looping';
  }

  /**
   * A start has ended before it was ready.
   *
   * @param others whether anybody else is ready
   * @returns whether the loop begins with this one
   */
  failed(others: boolean): boolean {
    if (others) this.#failed = 0;
    else this.#failed += 1;
    if (this.#failed === 1) this.#firstAt = this.#clock();
    if (this.isLooping || this.#limit === 0 || this.#failed < this.#limit) return false;
    this.#state = 'looping';
    return true;
  }

  /**
   * Somebody is ready.
   *
   * @returns where that ends a loop: how many starts failed, and for how long, milliseconds
   */
  ready(): { starts: number; ms: number } | undefined {
    const loop = { starts: this.#failed, ms: this.#clock() - this.#firstAt };
    const looped = this.isLooping;
    this.#failed = 0;
    this.#state = 'calm';
    return looped ? loop : undefined;
  }
}
