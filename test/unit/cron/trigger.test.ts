import t from 'tap';
import { openStore } from '../../../src/cron/open-store.ts';
import { provideStore, trigger } from '../../../src/cron/trigger.ts';
import { trigger as exported, type TriggerOptions } from '../../../src/index.ts';
import { load } from '../config/support.ts';
import { DAY, specOf } from './support.ts';

t.test('is what the package exports', async (t) => t.equal(exported, trigger));

t.test('goes to the store of the configuration, which it opens when it is first called', async (t) => {
  const { config } = load(t.testdir(), { needsApp: false });
  let opened = 0;
  const close = provideStore(() => {
    opened += 1;
    return openStore(config, { worker: 'http 1' });
  });
  const store = await openStore(config, { worker: 'cron 1' });
  t.teardown(() => store.close());
  t.equal(store.place, `${config.data_dir}/tricorn.db`);
  await store.sync([specOf({ name: 'job', rhythm: { cron: '@yearly', timezone: 'UTC' } })], 1);
  t.equal(opened, 0);
  await trigger('job');
  await trigger('job', { coalesce: true });
  t.equal(opened, 1);
  t.match(await store.acquire(['job']), { run: { name: 'job', runId: 1 } });
  const later = new Date(Date.now() + DAY);
  await trigger('job', { at: later });
  await t.rejects(trigger('jop'), { code: 'TRC_JOB_UNKNOWN', exitCode: 2 });
  await close();
  await t.rejects(trigger('job'), { code: 'TRC_STORE', message: /no worker of Tricorn/ });
});

t.test('refuses what its types forbid', async (t) => {
  const wrong = (options: unknown): Promise<void> => trigger('job', options as TriggerOptions);
  await t.rejects(wrong({ at: 'soon' }), /trigger\(\{ at \}\) must be a time, not soon/);
  await t.rejects(wrong({ att: 5 }), /no option att; did you mean at\?/);
});

t.test('a db_url means PostgreSQL, and is connected to by the first call only', async (t) => {
  const { config } = load(t.testdir(), { argv: ['--db-url=postgres://me:hush@db.example/app'], needsApp: false });
  const store = await openStore(config, { worker: 'cron 1' });
  t.equal(store.place, 'postgres://me@db.example/app');
  await store.close();
});
