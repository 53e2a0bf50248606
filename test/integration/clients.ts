/**
 * Clients of every manner, on the real command: fast and late ones, proxies, those that go away. clients.*.test.ts run
 * it, one file a mode.
 */
import type { Mode } from '../support/tricorn.ts';
import { connections } from './clients-connections.ts';
import { leastBusy } from './clients-least-busy.ts';
import { proxies } from './clients-proxy.ts';
import { timeouts } from './clients-timeouts.ts';

export function clients(mode: Mode): void {
  timeouts(mode);
  connections(mode);
  proxies(mode);
  if (mode === 'threaded') leastBusy();
}
