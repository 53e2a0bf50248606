/** What a new worker is told: the supervisor's first message to it. */
import type { LoadedConfig } from '../config/config.ts';
import { explicit } from '../config/load.ts';
import { settingKeys } from '../config/settings.ts';
import type { WorkerBoot } from '../protocol.ts';

type Whom = Pick<
  WorkerBoot,
  'role' | 'worker' | 'threads' | 'generation' | 'since' | 'address' | 'listeners' | 'recorder'
>;

export function bootMessage(whom: Whom, loaded: LoadedConfig): WorkerBoot {
  return {
    type: 'boot',
    ...whom,
    config: loaded.config,
    appOptions: loaded.app_options,
    explicit: settingKeys.filter((key) => explicit(loaded, key)),
  };
}
