/** What a change of a running service does to its settings. Pure. */
import type { Config, LoadedConfig } from '../config/config.ts';
import { explicit } from '../config/load.ts';
import { settingKeys, settings } from '../config/settings.ts';
import { showValue } from '../config/values.ts';
import type { ChangeRequest } from './change.ts';

export interface Kept {
  readonly loaded: LoadedConfig;
  /** One line for each setting that stays as it was although the configuration says otherwise. */
  readonly kept: readonly string[];
}

/** What only a new supervisor could change, such as the address, stays as it is. */
export function keepWhatNeedsRestart(fresh: LoadedConfig, running: LoadedConfig): Kept {
  const changed = settingKeys.filter(
    (key) => settings[key].reloadable === 'restart' && String(fresh.config[key]) !== String(running.config[key]),
  );
  if (changed.length === 0) return { loaded: fresh, kept: [] };
  const config = { ...fresh.config, ...Object.fromEntries(changed.map((key) => [key, running.config[key]])) };
  const origins = { ...fresh.origins, ...Object.fromEntries(changed.map((key) => [key, running.origins[key]])) };
  const kept = changed.map((key) => {
    const shown = (value: unknown): string => (value === '' ? 'none' : showValue(settings[key], value));
    const { place } = fresh.origins[key];
    return `${place}: ${key} = ${shown(fresh.config[key])} needs a restart: ${shown(running.config[key])} stays`;
  });
  return { loaded: { ...fresh, config, origins }, kept };
}

/** Whether nothing but the app's files differs: its path, or what they hold. */
export function differInCodeAlone(one: LoadedConfig, other: LoadedConfig): boolean {
  const rest = (loaded: LoadedConfig): string => {
    const given = settingKeys.filter((key) => explicit(loaded, key));
    return JSON.stringify([{ ...loaded.config, app: '' }, loaded.app_options, given]);
  };
  return rest(one) === rest(other);
}

type ModeRequest = Extract<ChangeRequest, { command: 'mode' }>;

/** The same configuration in another mode. @param parallelism where nobody ever said how many */
export function withMode(loaded: LoadedConfig, { mode, count }: ModeRequest, parallelism: number): LoadedConfig {
  const { workers, threads } = loaded.config;
  const given: Partial<Config> = {
    evented: mode === 'evented',
    workers: mode === 'prefork' ? (count ?? (workers || parallelism)) : 0,
    threads: mode === 'threaded' ? (count ?? threads) : threads,
  };
  const place = { origin: 'flag', place: `tricorn mode ${mode}` } as const;
  const origins = { ...loaded.origins, ...Object.fromEntries(Object.keys(given).map((key) => [key, place])) };
  return { ...loaded, config: { ...loaded.config, ...given }, origins };
}
