/**
 * Pure: what a configuration would change in a server that runs. A reload reads the file again, and keeps the flags and
 * the environment that the server was started with.
 */
import type { Config, LoadedConfig } from '../config/config.ts';
import { type Setting, settingKeys, settings } from '../config/settings.ts';
import { mask } from '../config/values.ts';
import { masked, type ReportedConfig } from './masked.ts';

export interface Change {
  /** `app_options` stands for all of the [app] section. */
  readonly setting: keyof Config | 'app_options';
  readonly from: unknown;
  readonly to: unknown;
  /**
   * What it takes: `live` = no new workers, where they are not wanted; `reload` = new workers, which a reload starts; `restart`
   * = a new server, a reload keeps the old value.
   */
  readonly takes: 'live' | 'reload' | 'restart';
  /** Where the new value comes from: `tricorn.ini:12`. */
  readonly place: string;
}

export function planOf(running: ReportedConfig, loaded: LoadedConfig): Change[] {
  const wanted = masked(loaded);
  const changes = settingKeys.flatMap((key) => changeOf(key, running, wanted));
  if (isSame(running.app_options, wanted.app_options)) return changes;
  const { app_options: from } = running;
  const { app_options: to } = wanted;
  return [...changes, { setting: 'app_options', from, to, takes: 'reload', place: '[app]' }];
}

function changeOf(key: keyof Config, running: ReportedConfig, wanted: ReportedConfig): Change[] {
  const [from, to] = [running.config[key], wanted.config[key]];
  // An older server may not know the setting.
  if (from === undefined || isSame(from, to)) return [];
  const [was, is] = [running.origins[key].origin, wanted.origins[key].origin];
  // Both by default: it follows from the terminal, the machine or another setting.
  if (was === 'default' && is === 'default') return [];
  const given = is === 'flag' || is === 'environment';
  // Whatever the file says, the server's own flags and environment are stronger.
  if ((was === 'flag' || was === 'environment') && !given) return [];
  const { reloadable } = settings[key] as Setting;
  return [{ setting: key, from, to, takes: given ? 'restart' : reloadable, place: wanted.origins[key].place }];
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const effects: Readonly<Record<Change['takes'], string>> = {
  live: 'live: `tricorn reload --live`, or new workers',
  reload: 'new workers',
  restart: 'restart; a reload keeps the old value',
};

/** One line for each change. */
export function showPlan(changes: readonly Change[]): string[] {
  return changes.map(({ setting, from, to, takes, place }) => {
    const values = setting === 'app_options' ? '' : `: ${show(from)} -> ${show(to)}`;
    return `  ${setting}${values} (${place}; ${effects[takes]})`;
  });
}

function show(value: unknown): string {
  if (value === mask || typeof value !== 'string') return Array.isArray(value) ? value.join(', ') : String(value);
  return value === '' ? "''" : value;
}
