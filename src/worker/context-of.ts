import type { MountContext } from '../app/mount.ts';
import type { Log } from '../log/open-log.ts';
import type { LoopBoot } from '../protocol.ts';

/** What the app is mounted with. */
export function contextOf(boot: LoopBoot, { log }: Pick<Log, 'log'>): MountContext {
  const { config, appOptions, role, worker, thread, generation, address } = boot;
  const explicit = new Set(boot.explicit);
  return {
    config,
    app_options: appOptions,
    explicit: (key) => explicit.has(key),
    log,
    role,
    worker,
    thread,
    generation,
    address,
  };
}
