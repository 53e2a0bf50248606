/** Pure: what of a configuration can be applied to a generation while it serves, and what has to wait for a reload. */
import type { Config, LoadedConfig } from '../config/config.ts';
import { settings } from '../config/settings.ts';
import { inUnits } from '../config/values.ts';
import { planOf } from '../control/plan.ts';
import { masked } from '../control/masked.ts';

export interface LiveChange {
  /** The running configuration, with what is live as it is to be. */
  readonly loaded: LoadedConfig;
  readonly changed: Partial<Config>;
  /** `log_level = debug` */
  readonly applied: readonly string[];
  /** Names of settings that differ, too, but need new workers or a new server. */
  readonly waiting: readonly string[];
}

export function liveChange(running: LoadedConfig, fresh: LoadedConfig): LiveChange {
  const plan = planOf(masked(running), fresh);
  const live = plan.flatMap(({ setting, takes }) =>
    setting !== 'app_options' && takes === 'live' && isOfMode(setting, running, fresh) ? [setting] : [],
  );
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
    waiting: plan.map(({ setting }) => setting).filter((setting) => !(live as string[]).includes(setting)),
  };
}

/** The number of workers that makes another mode of it is no matter of size. */
function isOfMode(setting: keyof Config, running: LoadedConfig, fresh: LoadedConfig): boolean {
  return setting !== 'workers' || (running.config.workers > 0 && fresh.config.workers > 0);
}
