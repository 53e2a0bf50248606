import { AFTER_SIGNAL_MS } from '../cron/timers.ts';
import type { Role } from '../protocol.ts';

/** After graceful_timeout a job is told by its signal, and may still heed it. Milliseconds. */
export function extraGrace(role: Role): number {
  return role === 'cron' ? AFTER_SIGNAL_MS : 0;
}
