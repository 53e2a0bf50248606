/**
 * Keeps the resident memory of a worker process within its limits, from outside of the loop that runs the app: over the
 * soft limit it is recycled, over the hard one killed at once.
 */
import type { Logger } from '../log/supervisor-log.ts';
import { residentBytes } from './resident.ts';
import { judgeMemory, type MemoryLimits } from './wear.ts';

const EVERY_MS = 500;

export interface Guarded {
  readonly name: string;
  recycle(reason: string): void;
  kill(): void;
}

export function guardMemory(guarded: Guarded, limits: MemoryLimits, log: Logger): void {
  let asked = false;
  const look = (): void => {
    const { verdict, reason } = judgeMemory(limits, residentBytes());
    if (verdict === 'kill') {
      log.error({ reason }, `${guarded.name}: ${reason}, killed`);
      guarded.kill();
    } else if (verdict === 'recycle' && !asked) {
      asked = true;
      guarded.recycle(reason);
    }
  };
  setInterval(look, EVERY_MS).unref();
}
