/** The beat of an event loop: a timer that does nothing but show in the ledger that the loop turns. */
import type { Ledger } from '../worker/ledger.ts';
import type { Role } from '../protocol.ts';
import type { Terms } from '../worker/terms.ts';
import { beatEvery, watchLimits } from './limits.ts';

export function startBeating(ledger: Ledger, terms: Terms, role: Role): void {
  let timer: NodeJS.Timeout | undefined;
  ledger.open();
  terms.follow((config) => {
    const everyMs = beatEvery(watchLimits(config, role));
    clearInterval(timer);
    if (everyMs < Infinity) timer = setInterval(() => ledger.beat(), everyMs).unref();
  });
}
