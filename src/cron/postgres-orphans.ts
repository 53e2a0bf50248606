/**
 * Finds runs whose holder has died: their lock is free. A holder that has only lost its connection, because the server was
 * restarted for example, comes back in a moment and takes its run back; so a lock must be found free for a while before anybody
 * else takes the run. It looks only while others run jobs.
 */
import { realTimers, type Timers } from './timers.ts';

/** How often it looks, milliseconds. */
const LOOK_MS = 250;
/** How long a lock must be free, milliseconds; a holder tries every 200 ms to come back. */
const FREE_MS = 1000;
/** After the server was away nothing is taken for so long: all come back at once, to a server and on machines that are busy with it. */
const BACK_MS = 5000;

interface Orphan {
  readonly name: string;
  readonly runId: number;
}

export interface OrphanWatchOptions {
  readonly look: () => Promise<{ readonly count: number; readonly orphans: readonly Orphan[] }>;
  readonly free: (name: string, runId: number) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly timers?: Timers;
}

export class OrphanWatch {
  readonly #options: OrphanWatchOptions;
  readonly #timers: Timers;
  /** Since when each of them was seen, by name and number. */
  #since = new Map<string, number>();
  #cancel: (() => void) | undefined;
  /** Since when there has been a connection again. */
  #backAt = -Infinity;

  constructor(options: OrphanWatchOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
  }

  /** Looks from now on, until nobody else runs anything. */
  start(): void {
    this.#cancel ??= this.#timers.after(LOOK_MS, () => void this.#look());
  }

  /** The server was away, maybe for all. */
  back(): void {
    this.#backAt = this.#timers.now();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#since.clear();
  }

  async #look(): Promise<void> {
    const turn = this.#cancel;
    try {
      const { count, orphans } = await this.#options.look();
      const now = this.#timers.now();
      const keys = orphans.map(({ name, runId }) => `${runId} ${name}`);
      this.#since = new Map(keys.map((key) => [key, this.#since.get(key) ?? now]));
      for (const [index, { name, runId }] of orphans.entries()) {
        const isFree = now - (this.#since.get(keys[index] ?? '') ?? now) >= FREE_MS;
        if (isFree && now - this.#backAt >= BACK_MS) await this.#options.free(name, runId);
      }
      // Stopped meanwhile.
      if (this.#cancel !== turn) return;
      this.#cancel = undefined;
      if (count > 0) this.start();
    } catch (error) {
      if (this.#cancel === turn) this.stop();
      this.#options.onFailure(error);
    }
  }
}
