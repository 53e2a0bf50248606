/** One save is several events, and a checkout of a branch is thousands: they are one burst. Pure but for its timer. */

/** A burst is over when nothing has come for so long, milliseconds. */
const QUIET_MS = 30;
/** It is over after so long even if it goes on, milliseconds. */
const MOST_MS = 500;

export interface DebounceOptions {
  /** Called with all that came in one burst, each thing once, in the order in which it first came. */
  readonly onBurst: (items: readonly string[]) => void;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** Calls back after so many milliseconds. Returns what takes that back. */
  readonly schedule: (callback: () => void, ms: number) => () => void;
}

export class Debounce {
  readonly #options: DebounceOptions;
  readonly #items = new Set<string>();
  #begun = 0;
  #cancel: () => void = () => {};

  constructor(options: DebounceOptions) {
    this.#options = options;
  }

  add(item: string): void {
    const { clock, schedule } = this.#options;
    const now = clock();
    if (this.#items.size === 0) this.#begun = now;
    this.#items.add(item);
    this.#cancel();
    this.#cancel = schedule(() => this.#end(), Math.max(0, Math.min(QUIET_MS, this.#begun + MOST_MS - now)));
  }

  /** What has come is forgotten. */
  stop(): void {
    this.#cancel();
    this.#items.clear();
  }

  #end(): void {
    const items = [...this.#items];
    this.#items.clear();
    this.#options.onBurst(items);
  }
}
