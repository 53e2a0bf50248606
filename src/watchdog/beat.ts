/** The beat of an event loop: a timer that does nothing but show in the ledger that the loop turns. */
import type { Ledger } from '../worker/ledger.ts';
import type { Role } from '../protocol.ts';
import type { Terms } from '../worker/terms.ts';
import { watchLimits } from './limits.ts';

/** Ten beats a limit are plenty, and five where it is 0.1 s; four a second cost nothing, and fifty less than 0.5 % of a core. */
export function startBeating(ledger: Ledger, terms: Terms, role: Role): void {
  let timer: NodeJS.Timeout | undefined;
  ledger.open();
  terms.follow((config) => {
    const { cpuMs, realMs } = watchLimits(config, role);
    const shortest = Math.min(cpuMs, realMs);
    clearInterval(timer);
    if (shortest === Infinity) return;
    timer = setInterval(() => ledger.beat(), Math.min(Math.max(shortest / 10, 20), 250)).unref();
  });
}
