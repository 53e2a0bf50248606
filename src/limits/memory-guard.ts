/**
 * Keeps the resident memory of a worker process within its limits, from outside of the loop that runs the app: over the
 * soft limit it is recycled, over the hard one killed at once. It also sees, and says, when no file descriptor is free:
 * nobody else would, for libuv drops connections then without a word.
 */
import { nameRequests, type RequestInFlight } from '../log/requests.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { residentBytes } from './resident.ts';
import { hardLimitInForce, judgeMemory, type MemoryLimits } from './wear.ts';

const EVERY_MS = 500;
/** What lasts is said again so often. */
const COMPLAIN_EVERY_MS = 60_000;

export interface Guarded {
  readonly name: string;
  /** What a kill would take with it, the oldest first. */
  inflight(): readonly RequestInFlight[];
  recycle(reason: string): void;
  kill(): void;
}

/** @param limits asked for at each look. A hard limit that comes to lie below what it has recycles it, and kills no earlier than before */
export function guardMemory(guarded: Guarded, limits: () => MemoryLimits, log: Logger): void {
  let asked = false;
  let mayComplainAt = 0;
  const complain = ({ code }: NodeJS.ErrnoException): void => {
    if (performance.now() < mayComplainAt) return;
    mayComplainAt = performance.now() + COMPLAIN_EVERY_MS;
    log.error(
      { code },
      `${guarded.name}: no file descriptor is free, and new connections are dropped: raise the limit (ulimit -n, LimitNOFILE)`,
    );
  };
  let inForce = limits().hard;
  const look = (): void => {
    const [now, rss] = [limits(), residentBytes(complain)];
    inForce = hardLimitInForce(inForce, now.hard, rss);
    const { verdict, reason } = judgeMemory(now, rss, inForce);
    if (verdict === 'kill') {
      // Fatal lines are written before this returns.
      log.fatal({ reason, ...nameRequests(guarded.inflight()) }, `${guarded.name}: ${reason}, killed`);
      guarded.kill();
    } else if (verdict === 'recycle' && !asked) {
      asked = true;
      guarded.recycle(reason);
    }
  };
  setInterval(look, EVERY_MS).unref();
}
