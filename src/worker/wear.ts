/** Watches from within whether an event loop is worn out, and says so once. */
import { getHeapStatistics } from 'node:v8';
import { wearLimits, wornBy, type WearLimits } from '../limits/wear.ts';
import type { LoopOptions } from './loop.ts';

/** How often age and memory are looked at, milliseconds; requests are counted as they come. */
const EVERY_MS = 1000;

export class Wear {
  readonly limits: WearLimits;
  readonly #options: LoopOptions;
  readonly #startedAt: number = performance.now();
  readonly #isBusy: () => boolean;
  #isTold = false;

  /** @param isBusy whether it is to finish something before it is too old, or has done too much: memory cannot wait */
  constructor(options: LoopOptions, isBusy: () => boolean = () => false) {
    const { boot, loops } = options;
    this.#options = options;
    this.#isBusy = isBusy;
    this.limits = wearLimits(boot.config, boot.role, loops);
    setInterval(() => this.check(), EVERY_MS).unref();
  }

  check(): void {
    if (this.#isTold) return;
    // Not process.memoryUsage(): that also opens a file. `external` has the array buffers in it.
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    const { ledger, onWorn } = this.#options;
    const age = { requests: ledger.requests, ageMs: performance.now() - this.#startedAt };
    const reason = wornBy(this.limits, {
      ...(this.#isBusy() ? { requests: 0, ageMs: 0 } : age),
      bytes: heap + external,
    });
    if (reason === undefined) return;
    this.#isTold = true;
    onWorn(reason);
  }
}
