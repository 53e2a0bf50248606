/** Pure: who gets the next connection. */
import type { Ledger } from './ledger.ts';

interface Busy {
  readonly ledger: Pick<Ledger, 'inflight' | 'connections'>;
}

/** The one with the fewest requests in flight, then with the fewest connections, then the first. */
export function leastBusy<T extends Busy>(candidates: Iterable<T>): T | undefined {
  let best: T | undefined;
  let bestInflight = Infinity;
  let bestConnections = Infinity;
  for (const candidate of candidates) {
    const { inflight, connections } = candidate.ledger;
    if (inflight > bestInflight) continue;
    if (inflight === bestInflight && connections >= bestConnections) continue;
    best = candidate;
    bestInflight = inflight;
    bestConnections = connections;
  }
  return best;
}
