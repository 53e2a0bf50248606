import t, { type Test } from 'tap';
import { settingKeys, settings } from '../../../src/config/settings.ts';
import { liveChange, type LiveChange } from '../../../src/supervisor/live-settings.ts';
import { withMode } from '../../../src/supervisor/restart-settings.ts';
import { load } from '../config/support.ts';

function change(t: Test, before: string, after: string, argv: readonly string[] = []): LiveChange {
  const read = (text: string): ReturnType<typeof load> => {
    const folder = t.testdir({ 'app.mjs': '', 'tricorn.ini': `[options]\n${text}` });
    return load(folder, { argv: ['app.mjs', ...argv] });
  };
  const running = read(before);
  return liveChange(running, read(after));
}

t.test('what is live is taken over with where it comes from; what is not waits', async (t) => {
  const found = change(
    t,
    'workers = 2',
    'workers = 3\nlog_level = debug\nlimit_time_real = 5\nbacklog = 17\nhttp_port = 8070\n[app]\na = 1',
  );
  t.same(found.changed, { workers: 3, log_level: 'debug', limit_time_real: 5 });
  t.same(found.applied, ['workers = 3', 'limit_time_real = 5 s', 'log_level = debug']);
  t.same(found.forReload, ['backlog', 'app_options']);
  t.same(found.forRestart, ['http_port']);
  t.match(found.loaded.config, { workers: 3, log_level: 'debug', limit_time_real: 5, backlog: 511 });
  t.match(found.loaded.origins.log_level, { origin: 'file', place: /tricorn\.ini:3$/ });
  t.same(found.loaded.app_options, {});
});

t.test('what is not in the file any more goes back to its default', async (t) => {
  t.same(change(t, 'limit_request = 7\nlog_level = debug', '').applied, ['limit_request = 0', 'log_level = info']);
});

t.test('another mode is no matter of size', async (t) => {
  for (const [before, after] of [
    ['', 'workers = 2'],
    ['workers = 2', 'workers = 0'],
  ] as const) {
    t.match(change(t, before, after), { applied: [], forReload: ['workers'] });
  }
});

t.test('flags of the server are stronger than its file', async (t) => {
  const found = change(t, '', 'log_level = debug\nbacklog = 7', ['--log-level=warn', '--backlog=8']);
  t.match(found, { applied: [], forReload: [], forRestart: [], changed: {} });
  t.match(found.overridden, [/^log_level in tricorn\.ini:2 is overridden by --log-level$/]);
  t.equal(found.overridden.length, 1, 'those that are live');
  t.same(change(t, '', 'log_level = warn', ['--log-level=warn']).overridden, [], 'they agree');
});

t.test('so is a mode that was asked for since', async (t) => {
  const folder = t.testdir({ 'app.mjs': '', 'tricorn.ini': '[options]\nworkers = 3' });
  const fresh = load(folder, { argv: ['app.mjs'] });
  const running = withMode(fresh, { command: 'mode', mode: 'prefork', count: 4 }, 8);
  t.match(liveChange(running, fresh), {
    applied: [],
    overridden: [/^workers in tricorn\.ini:2 is overridden by tricorn mode prefork$/],
  });
});

t.test('log_level, the population and the limits are live', async (t) => {
  const live = settingKeys.filter((key) => settings[key].reloadable === 'live');
  const limits = settingKeys.filter((key) => /^limit_|^max_(inflight|queue)/.test(key));
  t.same(
    new Set(live),
    new Set(['log_level', 'workers', 'threads', 'max_cron_threads', 'poison_threshold', ...limits]),
  );
});
