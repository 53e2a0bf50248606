/** The beat of an event loop: a timer that does nothing but show in the ledger that the loop turns. */
import type { Ledger } from '../worker/ledger.ts';
import type { WatchLimits } from './loop-watch.ts';

/** Ten beats a limit are plenty; four a second cost nothing. */
export function startBeating(ledger: Ledger, { cpuMs, realMs }: WatchLimits): void {
  const shortest = Math.min(cpuMs, realMs);
  ledger.open();
  if (shortest === Infinity) return;
  setInterval(() => ledger.beat(), Math.min(Math.max(shortest / 10, 10), 250)).unref();
}
