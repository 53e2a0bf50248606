/** How busy this event loop is: utilisation and delay between two readings. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** Coarse on purpose: it is a timer that wakes an idle process. Milliseconds. */
const RESOLUTION_MS = 50;
const NS_PER_MS = 1e6;

export interface LoopReading {
  readonly utilisation: number;
  readonly delayP50: number;
  readonly delayP99: number;
}

export class LoopGauge {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #last: ReturnType<typeof performance.eventLoopUtilization> = performance.eventLoopUtilization();

  constructor() {
    this.#delay.enable();
  }

  /** What happened since the last call. */
  read(): LoopReading {
    const now = performance.eventLoopUtilization();
    const { utilization: utilisation } = performance.eventLoopUtilization(now, this.#last);
    const reading = { utilisation, delayP50: this.#percentile(50), delayP99: this.#percentile(99) };
    this.#last = now;
    this.#delay.reset();
    return reading;
  }

  #percentile(percentile: number): number {
    if (this.#delay.count === 0) return 0;
    // Node records the whole interval between two turns of its timer, of which the resolution is meant.
    return Math.max(0, this.#delay.percentile(percentile) / NS_PER_MS - RESOLUTION_MS);
  }
}
