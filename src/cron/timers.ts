import { monotonicMs } from '../builtins.ts';

/** From its signal on, a job has as long to end, milliseconds. */
export const AFTER_SIGNAL_MS = 5000;

/** So long the store is waited for that is told about the jobs: whoever then triggers one finds it there. Milliseconds. */
export const PUBLISH_MS = 2000;

/** Time as the runner and the guard see it: given to them, so that their tests need none to pass. */
export interface Timers {
  /** Milliseconds that only ever grow. */
  now(): number;
  /** Calls once, unless what it returns was called before. */
  after(ms: number, call: () => void): () => void;
}

export const realTimers: Timers = {
  now: monotonicMs,
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
