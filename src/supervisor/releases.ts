/**
 * Which files a generation runs. Deploys swap a symlink (`current -> releases/42`): a generation stays with what the links
 * led to when it was made, so that a worker that is replaced later runs the same code as the others, and so that a
 * rollback finds the old code.
 */
import { fs } from '../builtins.ts';
import type { LoadedConfig } from '../config/config.ts';

export interface Release {
  readonly loaded: LoadedConfig;
  /** Where its workers run. */
  readonly folder: string;
}

export function freeze(loaded: LoadedConfig): Release {
  const { config, folder } = loaded;
  return {
    loaded: { ...loaded, config: Object.freeze({ ...config, app: resolved(config.app) }) },
    folder: resolved(folder),
  };
}

/** What does not exist, or none that was given, stays as it is: whoever opens it says so better. */
function resolved(path: string): string {
  if (path === '') return path;
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}
