/** The limits of the watchdog, as the configuration has them. */
import type { Config } from '../config/config.ts';
import type { WatchLimits } from './loop-watch.ts';

export function watchLimits({ limit_time_cpu, limit_time_real }: Config): WatchLimits {
  return { cpuMs: limitMs(limit_time_cpu), realMs: limitMs(limit_time_real) };
}

function limitMs(seconds: number): number {
  return seconds === 0 ? Infinity : seconds * 1000;
}
