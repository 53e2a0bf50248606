/** Pure: what of a configuration can be applied to a generation while it serves, and what has to wait for a reload. */
import type { Config, LoadedConfig, Overridden } from '../config/config.ts';
import { settingKeys, settings } from '../config/settings.ts';
import { inUnits } from '../config/values.ts';
import { planOf } from '../control/plan.ts';
import { masked } from '../control/masked.ts';

export interface LiveChange {
  /** The running configuration, with what is live as it is to be. */
  readonly loaded: LoadedConfig;
  readonly changed: Partial<Config>;
  /** `log_level = debug` */
  readonly applied: readonly string[];
  /** Names of settings that differ, too, but need new workers. */
  readonly forReload: readonly string[];
  /** And those that need a new server: a reload keeps the old value. */
  readonly forRestart: readonly string[];
  /** What the file says of live settings in vain: `log_level in tricorn.ini:3 is overridden by --log-level` */
  readonly overridden: readonly string[];
}

export function liveChange(running: LoadedConfig, fresh: LoadedConfig): LiveChange {
  const plan = planOf(masked(running), fresh);
  const live = plan.flatMap(({ setting, takes }) =>
    setting !== 'app_options' && takes === 'live' && isOfMode(setting, running, fresh) ? [setting] : [],
  );
  const others = plan.filter(({ setting }) => !(live as string[]).includes(setting));
  const named = (restart: boolean): string[] =>
    others.filter(({ takes }) => (takes === 'restart') === restart).map(({ setting }) => setting);
  const changed: Partial<Config> = Object.fromEntries(live.map((key) => [key, fresh.config[key]]));
  const origins = Object.fromEntries(live.map((key) => [key, fresh.origins[key]]));
  return {
    loaded: {
      ...running,
      config: { ...running.config, ...changed },
      origins: { ...running.origins, ...origins },
    },
    changed,
    applied: live.map((key) => `${key} = ${inUnits(settings[key], fresh.config[key])}`),
    forReload: named(false),
    forRestart: named(true),
    overridden: [...fresh.overridden, ...overriddenSince(running, fresh)]
      .filter(({ setting }) => settings[setting].reloadable === 'live')
      .map(({ setting, place, by }) => `${setting} in ${place} is overridden by ${by}`),
  };
}

/** By what was asked of the server that runs: flags and environment are the same, but for `tricorn mode`. */
function overriddenSince(running: LoadedConfig, fresh: LoadedConfig): Overridden[] {
  return settingKeys.flatMap((setting) => {
    const [was, is] = [running.origins[setting], fresh.origins[setting]];
    const isInVain = was.origin === 'flag' && is.origin === 'file' && running.config[setting] !== fresh.config[setting];
    return isInVain ? [{ setting, place: is.place, by: was.place }] : [];
  });
}

/** The number of workers that makes another mode of it is no matter of size. */
function isOfMode(setting: keyof Config, running: LoadedConfig, fresh: LoadedConfig): boolean {
  return setting !== 'workers' || (running.config.workers > 0 && fresh.config.workers > 0);
}
