/** The limits of the watchdog, as the configuration has them. */
import type { Config } from '../config/config.ts';
import type { Role } from '../protocol.ts';
import type { WatchLimits } from './loop-watch.ts';

export function watchLimits(config: Config, role: Role): WatchLimits {
  const realSetting = realSettingOf(config, role);
  return { cpuMs: limitMs(config.limit_time_cpu), realMs: limitMs(config[realSetting]), realSetting };
}

/**
 * Milliseconds between two beats; Infinity = none. Ten in the shortest limit are plenty, and five where it is 0.1 s; four a second
 * cost nothing, and fifty less than 0.5 % of a core.
 */
export function beatEvery({ cpuMs, realMs }: WatchLimits): number {
  const shortest = Math.min(cpuMs, realMs);
  return shortest === Infinity ? Infinity : Math.min(Math.max(shortest / 10, 20), 250);
}

/** How long a request may take, or a loop may be silent: cron workers may have a limit of their own. Infinity = no limit. */
export function realLimitMs(config: Config, role: Role): number {
  return limitMs(config[realSettingOf(config, role)]);
}

/** Seconds that a job may take which names no timeout of its own; 0 = no limit. */
export function defaultTimeout(config: Config): number {
  return config[realSettingOf(config, 'cron')];
}

function realSettingOf({ limit_time_real_cron }: Config, role: Role): WatchLimits['realSetting'] {
  return role === 'cron' && limit_time_real_cron >= 0 ? 'limit_time_real_cron' : 'limit_time_real';
}

function limitMs(seconds: number): number {
  return seconds === 0 ? Infinity : seconds * 1000;
}
