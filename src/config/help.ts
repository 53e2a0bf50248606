/** What is written for people from the settings table: --help and docs/settings.md. */
import { type Command, commands, placeholderOf } from './command-line.ts';
import { flagOf, type Group, type Setting, type SettingKey, settingKeys, settings, variableOf } from './settings.ts';
import { describeAllowed, inUnits, mask } from './values.ts';

export { renderPrintConfig } from './print-config.ts';

const nameWidth = 32;

/**
 * The answer to --help.
 *
 * @param entries the commands, the default first
 * @param more further lists by heading, such as the signals
 */
export function renderHelp(
  entries: readonly Command[] = commands,
  more: Readonly<Record<string, readonly Command[]>> = {},
): string {
  const lists = [
    list('Commands', entries),
    ...groups().map(([group, keys]) => list(group, keys.map(helpEntry))),
    list('Other', others),
    ...Object.entries(more).map(([heading, items]) => list(heading, items)),
  ];
  return `${usage(entries)}\n\n${lists.join('\n\n')}\n\n${sourcesInShort}\n`;
}

const others: readonly Command[] = [
  { name: '    --json', summary: 'Of a command: print the result as JSON' },
  { name: '-c, --config=FILE', summary: 'Ini file; default: tricorn.ini in the working directory, if there is one' },
  { name: '    --print-config', summary: 'Show every setting and where its value comes from, and exit' },
  { name: '-h, --help', summary: 'Show this, and exit' },
  { name: '-V, --version', summary: 'Show the version, and exit' },
];

const sourcesInShort =
  'Every setting can also stand in the ini file ([options] http_port = 8069) and in the environment\n' +
  '(TRICORN_HTTP_PORT=8069). Precedence: default < file < environment < flag. More: docs/settings.md';

function usage([first]: readonly Command[]): string {
  const lines = [`Usage: tricorn [${first?.name ?? ''}] APP [flags]`, '       tricorn COMMAND [flags]'];
  return [...lines, '       tricorn COMMAND --help'].join('\n');
}

function groups(): [Group, SettingKey[]][] {
  const withFlag = settingKeys.filter((key) => flagOf(key) !== undefined);
  return Array.from(Map.groupBy(withFlag, (key) => settings[key].group));
}

function list(heading: string, entries: readonly Command[]): string {
  const lines = entries.map(({ name, summary }) => {
    // Too long a name has a line of its own.
    const separator = name.length < nameWidth ? ' '.repeat(nameWidth - name.length) : `\n${' '.repeat(nameWidth + 2)}`;
    return `  ${name}${separator}${summary}`;
  });
  return [`${heading}:`, ...lines].join('\n');
}

function helpEntry(key: SettingKey): Command {
  const setting: Setting = settings[key];
  const short = setting.short === undefined ? '    ' : `-${setting.short}, `;
  const summary = `${setting.doc}${values(setting)} (${defaultInWords(setting)})`;
  return { name: `${short}${flagInUse(key)}`, summary };
}

function values(setting: Setting): string {
  return setting.values === undefined ? '' : `: ${setting.values.join(', ')}`;
}

/** Of a switch that is on by default, people want to know how to turn it off. */
function flagInUse(key: SettingKey): string {
  const flag = flagOf(key) ?? '';
  const { type, default: standard } = settings[key];
  if (type !== 'boolean') return `--${flag}=${placeholderOf(key)}`;
  return standard === true ? `--${flag}, --no-${flag}` : `--${flag}`;
}

function defaultInWords(setting: Setting): string {
  if (setting.secret === true) return mask;
  if (setting.defaultText !== undefined) return setting.defaultText;
  if (setting.type === 'boolean') return setting.default === true ? 'on' : 'off';
  return inUnits(setting, setting.default);
}

/** docs/settings.md, before the formatter of the repository. */
export function renderSettingsDoc(): string {
  const tables = Array.from(
    Map.groupBy(settingKeys, (key) => settings[key].group),
    ([group, keys]) => `## ${group}\n\n${table(keys)}`,
  );
  return `${intro}\n\n${tables.join('\n\n')}\n\n${prose}\n`;
}

function table(keys: readonly SettingKey[]): string {
  const header = ['Setting', 'Flag', 'Environment', 'Value', 'Default', 'Change takes', 'What it does'];
  const rows = [header, header.map(() => '---'), ...keys.map(cells)];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cells(key: SettingKey): string[] {
  const setting: Setting = settings[key];
  const old = (setting.aliases ?? []).map((name) => `\`${name}\``).join(', ');
  return [
    `\`${key}\``,
    flagOf(key) === undefined ? 'the argument' : flagCell(key),
    `\`${variableOf(key)}\``,
    valueInShort(setting),
    defaultInWords(setting),
    effects[setting.reloadable],
    `${setting.doc}${old === '' ? '' : ` (old name: ${old})`}`,
  ].map((cell) => cell.replaceAll('|', '\\|'));
}

const effects: Readonly<Record<Setting['reloadable'], string>> = {
  live: '`tricorn reload --live`',
  reload: 'a reload',
  restart: 'a restart',
};

function flagCell(key: SettingKey): string {
  const { short, type } = settings[key];
  const flag = flagOf(key) ?? '';
  const shortFlag = short === undefined ? '' : `\`-${short}\`, `;
  return type === 'boolean' ? `\`--${flag}\`, \`--no-${flag}\`` : `${shortFlag}\`--${flag}\``;
}

/** What the prose explains once is not repeated in each row. */
function valueInShort(setting: Setting): string {
  switch (setting.type) {
    case 'boolean':
      return 'boolean';
    case 'path':
    case 'string':
      return setting.type === 'path' ? describeAllowed(setting).slice(2) : describeAllowed(setting);
    default:
      return describeAllowed(setting)
        .replace(/^an? /, '')
        .replace(/,? such as.*/, '');
  }
}

const intro = `<!-- Generated by \`npm run docs\` from the table in src/config/settings.ts; do not edit. -->

# Settings

Every setting has one name and can be given in three places: as a flag (\`--http-port=8080\`), in the environment
(\`TRICORN_HTTP_PORT=8080\`) and in an ini file (\`http_port = 8080\` under \`[options]\`). Where several give it, the stronger
one wins:

    default < file < environment < flag

\`tricorn --print-config\` shows every value and where it comes from, as an ini file that \`--config\` takes back (secrets
are left out). A mistake anywhere ends Tricorn with exit code 2 before anything starts, and all mistakes are reported at
once, each with its place, the value seen, what is allowed, and the nearest valid name.`;

const prose = `## Flags

\`--http-port=8080\` and \`--http-port 8080\` are the same; so are \`-p 8080\` and \`-p8080\`. A boolean has \`--name\` and
\`--no-name\` and takes no value. A flag given twice counts as it stands last, except for lists, which add up. What follows
\`--\` is never a flag. \`tricorn app.ts\` is short for \`tricorn serve app.ts\`; for an app whose file is called like a
command write \`./serve\`.

## The environment

An unknown \`TRICORN_…\` variable is a mistake where it looks like a misspelt setting, else a warning in the log. What
Kubernetes sets for a service called tricorn (\`TRICORN_SERVICE_HOST\`, \`TRICORN_PORT\`, \`TRICORN_PORT_8069_TCP\`, …) is
ignored, and so is \`TRICORN_URL\`, which \`test_file\` sets. A variable that is set but empty is a value: none for a path or a
list, a mistake elsewhere.

## The file

\`-c FILE\` (\`--config\`) names it, or \`TRICORN_CONFIG\`; else it is \`tricorn.ini\` in the working directory, where there is
one. It is UTF-8, with or without a byte order mark; line ends may be those of Windows.

\`\`\`ini
[options]
app = app.ts
http_port = 8069
proxy_mode = yes
proxy_trust[] = 10.0.0.0/8
proxy_trust[] = loopback
; Quote what holds a ; or a #, which otherwise begin a comment.
logfile = "log/a#1.log"

; Handed to the app as its options, untouched: any key is allowed.
[app]
title = My shop

[app.db]
host = localhost
\`\`\`

\`[options]\` holds the settings of the tables above, \`[app]\` and sections nested in it what you like. Any other section, an
unknown setting, a key or section that stands there twice, a key before the first section, and a line that is neither
section nor key are mistakes. In \`[app]\`, \`true\`, \`false\` and \`null\` become what they say, everything else is text, and
\`key[] = …\` lines become a list.

Relative paths are resolved from the folder of the file; those of flags and environment, from the working directory. An
empty path means none.

## Values

| Kind | How to write it |
| --- | --- |
| boolean | \`true\`, \`yes\`, \`on\`, \`1\`; \`false\`, \`no\`, \`off\`, \`0\`; in any case. In the file, the bare name means true |
| duration | seconds, with fractions if you like: \`90\`, \`1.5\`; or \`500ms\`, \`30s\`, \`2m\`, \`1h\` |
| size | bytes: \`65536\`; or \`512KiB\`, \`1MiB\`, \`2GiB\`, in short \`512k\`, \`1m\`, \`2g\`: powers of 1024. \`MB\` is refused, for it means two things |
| auto | as many as the processors that this process may use (\`os.availableParallelism()\`) |
| list | separated by commas or blanks; or a repeated flag, or \`key[] = …\` lines |

## Together

- \`workers\` above 0 together with \`evented\` is a mistake: one means prefork, the other evented.
- \`headers_timeout\` may not be longer than \`request_timeout\`.
- \`threads\` outside the threaded mode and \`proxy_trust\` without \`proxy_mode\` have no effect; the log says so.

## When a change takes effect

A [reload](reload.md) reads the configuration anew. \`a reload\`: new workers that go by the new value replace the old ones,
without losing a request. How many there are can also be changed in what runs ([control](control.md)).
\`a restart\`: the old value stays, and the log says so.`;
