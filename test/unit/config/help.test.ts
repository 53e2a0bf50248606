import { readFileSync } from 'node:fs';
import { format } from 'oxfmt';
import t from 'tap';
import { commands } from '../../../src/config/command-line.ts';
import { renderHelp, renderSettingsDoc } from '../../../src/config/help.ts';
import { flagOf, type Setting, settingKeys, settings, variableOf } from '../../../src/config/settings.ts';

const root = new URL('../../../', import.meta.url);

t.test('--help names every flag and command, each with a line of doc', async (t) => {
  const help = renderHelp();
  for (const key of settingKeys) {
    const flag = flagOf(key);
    if (flag === undefined) continue;
    t.match(help, new RegExp(`(^|\\s)--${flag}[\\s=,]`), flag);
    t.ok(help.includes(settings[key].doc), key);
  }
  for (const flag of [
    '--no-http ',
    '--no-access-log',
    '-c, --config=FILE',
    '-h, --help',
    '-V, --version',
    '--print-config',
  ]) {
    t.ok(help.includes(flag), flag);
  }
  for (const { name, summary } of commands) t.match(help, new RegExp(`^  ${name} +${summary.slice(0, 10)}`, 'm'));
  t.match(help, /-p, --http-port=PORT .*\(8069\)/);
  t.match(help, /--body-limit=SIZE .*\(1 MiB\)/);
});

t.test('--help takes other commands and further lists', async (t) => {
  const help = renderHelp(
    [
      { name: 'serve', summary: 'Serve' },
      { name: 'reload', summary: 'Reload' },
    ],
    {
      Signals: [{ name: 'SIGTERM', summary: 'Stop' }],
    },
  );
  t.match(help, /^Usage: tricorn \[serve\] APP \[flags\]\n {7}tricorn COMMAND \[flags\]\n/);
  t.match(help, /Commands:\n {2}serve +Serve\n {2}reload +Reload\n/);
  t.match(help, /Signals:\n {2}SIGTERM +Stop\n/);
});

t.test('a secret default is not shown', async (t) => {
  const row = settings.pidfile as { secret?: boolean };
  row.secret = true;
  t.teardown(() => delete row.secret);
  t.match(renderHelp(), /--pidfile=FILE .*\(\*{8}\)/);
});

t.test('docs/settings.md is what the table says: else run `npm run docs`', async (t) => {
  const options = JSON.parse(readFileSync(new URL('.oxfmtrc.json', root), 'utf8'));
  const { code } = await format('docs/settings.md', renderSettingsDoc(), options);
  t.equal(readFileSync(new URL('docs/settings.md', root), 'utf8'), code);
});

t.test('docs/settings.md has a row for each setting, and no other', async (t) => {
  const doc = readFileSync(new URL('docs/settings.md', root), 'utf8');
  const rows = doc.split('\n').filter((line) => /^\| `[a-z_]+` +\|/.test(line));
  const named = rows.filter((row) => row.includes('TRICORN_')).map((row) => /`(\w+)`/.exec(row)?.[1]);
  t.same(new Set(named), new Set(settingKeys));
  t.equal(named.length, settingKeys.length);
  for (const [key, row] of Object.entries<Setting>(settings)) {
    t.ok(doc.includes(variableOf(key)), key);
    for (const name of row.aliases ?? []) t.ok(doc.includes(`\`${name}\``), name);
  }
});
