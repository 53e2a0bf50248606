import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { renderPrintConfig } from '../../../src/config/print-config.ts';
import { settingKeys, settings } from '../../../src/config/settings.ts';
import { load, withIni } from './support.ts';

t.test('every setting with its value and source', async (t) => {
  const folder = withIni(t, '[options]\nhttp_port = 80\nworkers = 2');
  const env = { TRICORN_BACKLOG: '5' };
  const text = renderPrintConfig(load(folder, { argv: ['app.ts', '--no-http'], env }));
  for (const line of [
    '[options]',
    'http_port = 80 ; tricorn.ini:2',
    'backlog = 5 ; TRICORN_BACKLOG',
    'http_enable = false ; --no-http',
    'graceful_timeout = 30 ; default',
    '; threads = 8 ; default; not used: prefork workers have no threads',
    'pidfile =  ; default',
  ]) {
    t.ok(text.split('\n').includes(line), line);
  }
  for (const key of settingKeys) t.match(text, new RegExp(`^(; )?${key} = `, 'm'));
});

t.test('secrets are masked', async (t) => {
  const row = settings.pidfile as { secret?: boolean };
  row.secret = true;
  t.teardown(() => delete row.secret);
  const folder = withIni(
    t,
    '[app]\ndb_password = hunter2\nurl = postgres://u:hunter2@h/db\ntitle = t\n[app.api]\napiKey = hunter2',
  );
  const text = renderPrintConfig(load(folder, { argv: ['app.ts', '--pidfile=hunter2'] }));
  t.notMatch(text, 'hunter2');
  t.match(text, /^; pidfile = \*{8} ; --pidfile$/m);
  t.match(text, /^; db_password = \*{8}/m);
  t.match(text, /^title = t$/m);
});

t.test('fed back by --config, it gives the same configuration', async (t) => {
  const folder = withIni(
    t,
    `[options]\nproxy_trust[] = ::1\nproxy_trust[] = 10.0.0.0/8\nlogfile = "a;b #c.log"\n` +
      `[app]\na = x ; comment\nb = "q;#"\nc = true\nd = null\ne[] = 1\ne[] = 2\nf = '5'\ng =\nh = ' x'\n` +
      `"i j" = 1\nk = '{"l m": {"n": [1]}}'\n[app.db.pool]\nmax = 5\n[app.empty]`,
  );
  for (const argv of [[], ['--threads=3', '-w2'], ['--evented', '--request-timeout=1.5'], ['--proxy-mode']]) {
    const first = load(folder, { argv: ['app.ts', ...argv], stdoutIsTTY: true });
    writeFileSync(join(folder, 'back.ini'), renderPrintConfig(first));
    const second = load(folder, { argv: ['-c', 'back.ini'] });
    t.strictSame(second.config, first.config);
    t.strictSame(second.app_options, first.app_options);
  }
});

t.test('whatever the texts are', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const base = load(folder, { argv: ['app.ts'] });
  const text = fc.string({ unit: 'binary' }).filter((value) => !['true', 'false', 'null'].includes(value));
  const secret = /:\/\//;
  fc.assert(
    fc.property(text, text, fc.jsonValue(), (path, option, json) => {
      fc.pre(
        !/\0/.test(path) && !secret.test(option + JSON.stringify(json)) && !JSON.stringify(json).includes('__proto__'),
      );
      const logfile = path === '' ? '' : resolve(folder, `./${path.trim()}`);
      const app_options = { option, list: [json] };
      const printed = renderPrintConfig({ ...base, config: { ...base.config, logfile }, app_options });
      writeFileSync(join(folder, 'back.ini'), printed);
      const back = load(folder, { argv: ['-c', 'back.ini'] });
      t.strictSame([back.config.logfile, back.app_options], [logfile, app_options]);
    }),
  );
});
