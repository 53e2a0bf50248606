import t, { type Test } from 'tap';
import { PostgresStore } from '../../../src/cron/postgres-store.ts';
import type { StoreOptions } from '../../../src/cron/store.ts';
import { startPostgres } from './postgres-server.ts';
import { contract } from './store-contract.ts';

const server = await startPostgres(t);
const urls = new Map<string, Promise<string>>();

function urlOf(name: string): Promise<string> {
  const url = urls.get(name) ?? server.database();
  urls.set(name, url);
  return url;
}

contract('PostgreSQL', async (t: Test, name: string, options: StoreOptions) => {
  const store = new PostgresStore(await urlOf(name), options);
  t.teardown(() => store.close());
  return store;
});
