import t from 'tap';
import type { LoadedConfig } from '../../../src/config/config.ts';
import { differInCodeAlone, keepWhatNeedsRestart, withMode } from '../../../src/supervisor/restart-settings.ts';
import { load } from '../config/support.ts';

t.test('what only a new supervisor could change stays, and is told with both values', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const running = load(folder, { argv: ['app.ts', '--http-port=1000', '--workers=2'] });
  const fresh = load(folder, { argv: ['app.ts', '--http-port=2000', '--workers=3', '--pidfile=p'] });
  const { loaded, kept } = keepWhatNeedsRestart(fresh, running);
  t.match(loaded.config, { http_port: 1000, workers: 3, pidfile: '' });
  t.match(kept, ['--http-port: http_port = 2000 needs a restart: 1000 stays', /^--pidfile: .* none stays$/]);
  t.equal(loaded.origins.http_port.place, '--http-port');
});

t.test('nothing to keep: the configuration is taken as it is', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const fresh = load(folder, { argv: ['app.ts', '--workers=3'] });
  t.same(keepWhatNeedsRestart(fresh, load(folder, { argv: ['app.ts'] })), { loaded: fresh, kept: [] });
});

t.test('another mode, with the number that was given, that of the configuration, or one for each core', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const threaded = load(folder, { argv: ['app.ts', '--threads=3'] });
  t.match(withMode(threaded, { command: 'mode', mode: 'prefork' }, 7).config, { workers: 7, evented: false });
  t.match(withMode(threaded, { command: 'mode', mode: 'prefork', count: 2 }, 7).config, { workers: 2 });
  t.match(withMode(threaded, { command: 'mode', mode: 'evented' }, 7).config, { workers: 0, evented: true });
  const prefork = load(folder, { argv: ['app.ts', '--workers=4'] });
  const back = withMode(prefork, { command: 'mode', mode: 'threaded', count: 5 }, 7);
  t.match(back.config, { workers: 0, evented: false, threads: 5 });
  t.equal(back.origins.threads.place, 'tricorn mode threaded');
});

t.test('whether nothing but the code differs', async (t) => {
  const folder = t.testdir({ 'app.ts': '', 'other.ts': '' });
  const of = (...argv: string[]): LoadedConfig => load(folder, { argv });
  t.ok(differInCodeAlone(of('app.ts'), of('app.ts')));
  t.ok(differInCodeAlone(of('app.ts'), of('other.ts')), 'another path');
  t.notOk(differInCodeAlone(of('app.ts'), of('app.ts', '--keep-alive-timeout=3')));
  t.notOk(differInCodeAlone(of('app.ts'), of('app.ts', '--keep-alive-timeout=72')), 'given, it wins over the app');
  t.notOk(differInCodeAlone(of('app.ts'), { ...of('app.ts'), app_options: { colour: 'red' } }));
});
