/** The limits of the watchdog, as the configuration has them. */
import type { Config } from '../config/config.ts';
import type { Role } from '../protocol.ts';
import type { WatchLimits } from './loop-watch.ts';

export function watchLimits(config: Config, role: Role): WatchLimits {
  return { cpuMs: limitMs(config.limit_time_cpu), realMs: realLimitMs(config, role) };
}

/** How long a request may take, or a loop may be silent: cron workers may have a limit of their own. Infinity = no limit. */
export function realLimitMs({ limit_time_real, limit_time_real_cron: cron }: Config, role: Role): number {
  return limitMs(role === 'cron' && cron >= 0 ? cron : limit_time_real);
}

function limitMs(seconds: number): number {
  return seconds === 0 ? Infinity : seconds * 1000;
}
