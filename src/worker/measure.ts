/** Counts the requests of one event loop while a canary runs: how many, how many with an error, and how long they took. */
import type { ServerResponse } from 'node:http';
import { Histogram } from '../canary/histogram.ts';
import { statusOf } from '../http/refusal.ts';
import type { LoopFigures } from '../protocol.ts';

/**
 * The first requests of an event loop take longer, whatever the version: code is compiled, connections to the database are
 * opened. So long their times do not count; their errors do.
 */
const COLD_REQUESTS = 50;

/** A request that has ended, or has not yet. */
export interface Measured {
  readonly response: ServerResponse;
  /** performance.now() */
  readonly begun: number;
  readonly state: string;
}

export class Measure {
  readonly #since: number = performance.now();
  readonly #latencies: Histogram = new Histogram();
  readonly #lastsLong: (measured: Measured) => boolean;
  #requests = 0;
  #errors = 0;

  /** @param lastsLong whether it is an event stream, which takes as long as its client wants */
  constructor(lastsLong: (measured: Measured) => boolean) {
    this.#lastsLong = lastsLong;
  }

  /** @param had how many requests the event loop has had; absent: it has not ended, and that is not for being cold */
  add(measured: Measured, had: number = Infinity): void {
    const { begun } = measured;
    // What began before is half of an old story: the new generation has none of that.
    if (begun < this.#since) return;
    this.#requests += 1;
    if (isError(measured)) this.#errors += 1;
    else if (had > COLD_REQUESTS && !this.#lastsLong(measured)) this.#latencies.add(performance.now() - begun);
  }

  get figures(): LoopFigures {
    return { requests: this.#requests, errors: this.#errors, latencies: [...this.#latencies.counts] };
  }
}

/** Times of errors say nothing: a refusal is quicker than any answer, and what was cut lasted as long as its limit. */
function isError({ response, state }: Measured): boolean {
  if (state === 'refused') return true;
  return (statusOf(response) ?? 0) >= 500;
}
