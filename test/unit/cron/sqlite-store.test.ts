import { join } from 'node:path';
import type { Test } from 'tap';
import { SqliteStore } from '../../../src/cron/sqlite-store.ts';
import type { StoreOptions } from '../../../src/cron/store.ts';
import { folderOf } from '../../support/ini.ts';
import { contract } from './store-contract.ts';

contract('SQLite', async (t: Test, _name: string, options: StoreOptions) => {
  const store = new SqliteStore(join(folderOf(t), 'data'), options);
  t.teardown(() => store.close());
  return store;
});
