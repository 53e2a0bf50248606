/** Which store the configuration means, and a handle to it. The engine is loaded when it is needed. */
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import type { Identity, Store, StoreOptions } from './store.ts';

type StoreConfig = Pick<Config, 'data_dir' | 'db_url' | 'cron_history' | 'cron_failure_limit' | 'cron_failure_days'>;

interface OpenStoreOptions {
  /** As history and `tricorn jobs` show it, such as `cron 1`. */
  readonly worker: string;
  readonly warn?: (message: string) => void;
}

const DAY_MS = 86_400_000;

/** Connects to nothing and makes no file: the first call of the handle does. */
export function openStore(config: StoreConfig, { worker, warn }: OpenStoreOptions): Promise<Store> {
  const who: Identity = { worker, machine: hostname() };
  const limits = { failures: config.cron_failure_limit, overMs: config.cron_failure_days * DAY_MS };
  return storeAt(config, { who, limits, history: config.cron_history, ...(warn ? { warn } : {}) });
}

export async function storeAt(config: Pick<Config, 'data_dir' | 'db_url'>, options: StoreOptions): Promise<Store> {
  if (config.db_url === '') {
    const { SqliteStore } = await import('./sqlite-store.ts');
    return new SqliteStore(config.data_dir, options);
  }
  const { PostgresStore } = await import('./postgres-store.ts');
  return new PostgresStore(config.db_url, options);
}
