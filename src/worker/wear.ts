/** Watches from within whether an event loop is worn out, and says so once. */
import { getHeapStatistics } from 'node:v8';
import { heapOutdated, wearLimits, wornBy, type WearLimits } from '../limits/wear.ts';
import type { LoopOptions } from './loop.ts';

/** How often age and memory are looked at, milliseconds; requests are counted as they come. */
const EVERY_MS = 1000;

export class Wear {
  readonly #options: LoopOptions;
  readonly #startedAt: number = performance.now();
  readonly #isBusy: () => boolean;
  /** Its own in the jitter: limits that change do not send it anywhere else. */
  readonly #luck: number = Math.random();
  #limits: WearLimits;
  #isTold = false;

  /** @param isBusy whether it is to finish something before it is too old, or has done too much: memory cannot wait */
  constructor(options: LoopOptions, isBusy: () => boolean = () => false) {
    const { terms } = options;
    this.#options = options;
    this.#isBusy = isBusy;
    this.#limits = this.#measured();
    terms.follow(() => (this.#limits = this.#measured()));
    setInterval(() => this.check(), EVERY_MS).unref();
  }

  /** After so many requests it is worn out. */
  get requests(): number {
    return this.#limits.requests;
  }

  check(): void {
    if (this.#isTold) return;
    // Not process.memoryUsage(): that also opens a file. `external` has the array buffers in it.
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    const { ledger, onWorn } = this.#options;
    const age = { requests: ledger.requests, ageMs: performance.now() - this.#startedAt };
    const isBusy = this.#isBusy();
    const facts = { ...(isBusy ? { requests: 0, ageMs: 0 } : age), bytes: heap + external };
    const reason = wornBy(this.#limits, facts) ?? (isBusy ? undefined : this.#heapOutdated());
    if (reason === undefined) return;
    this.#isTold = true;
    onWorn(reason);
  }

  #heapOutdated(): string | undefined {
    const { boot, terms } = this.#options;
    return boot.thread === 0 ? undefined : heapOutdated(boot.config, terms.config);
  }

  #measured(): WearLimits {
    const { boot, terms } = this.#options;
    const loops = boot.thread === 0 ? 1 : terms.config.threads;
    return wearLimits(terms.config, boot.role, loops, this.#luck);
  }
}
