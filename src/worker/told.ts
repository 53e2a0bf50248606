import type { WireError } from '../errors.ts';
import { tell } from './http-worker.ts';
import type { PoolThread } from './pool-thread.ts';

/** What the supervisor knows of the threads of a worker. It is told what has changed. */
export class Told {
  #ready = 0;
  #healthy = true;

  /** @param failed why one more thread has not become ready */
  readiness(ready: readonly PoolThread[], failed?: WireError): void {
    const { length } = ready;
    if (length !== this.#ready || failed) tell({ type: 'threads', ready: length, failed });
    this.#ready = length;
    this.health(ready);
  }

  /** Of the app in those that are ready. Where none is, that is what counts. */
  health(ready: readonly PoolThread[]): void {
    const healthy = ready.length === 0 || ready.some(({ isHealthy }) => isHealthy);
    if (healthy !== this.#healthy) tell({ type: 'health', healthy });
    this.#healthy = healthy;
  }
}
