import type { LoadedConfig } from '../config/config.ts';
import { explicit } from '../config/load.ts';

/**
 * Whether the store of the jobs was given to this app, so that jobs which the app does not have are jobs that it had. The folder
 * that is the default may be that of another app, which is started in the same place.
 */
export function hasStoreOfItsOwn(loaded: LoadedConfig, env: NodeJS.ProcessEnv = process.env): boolean {
  return explicit(loaded, 'data_dir') || explicit(loaded, 'db_url') || (env['STATE_DIRECTORY'] ?? '') !== '';
}
