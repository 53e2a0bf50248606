import { readFileSync } from 'node:fs';
import t from 'tap';
import { commands } from '../../../src/config/command-line.ts';
import { settingKeys, flagOf } from '../../../src/config/settings.ts';
import { commonFlags, ownFlags } from '../../../src/control/command-line.ts';
import { controlCommands, exitCodes } from '../../../src/control/commands.ts';
import { jobCommands, jobExitCodes } from '../../../src/cron/commands.ts';
import { renderCommandHelp } from '../../../src/control/describe.ts';
import { signalHelp } from '../../../src/supervisor/signals.ts';

t.test('each command has a name and a path of its own', async (t) => {
  for (const field of ['name', 'path'] as const) {
    t.equal(new Set(controlCommands.map((command) => command[field])).size, controlCommands.length);
  }
  for (const { name, path, method, summary, startsApp } of controlCommands) {
    t.match(summary, /^[A-Z].*[^.]$/, name);
    if (startsApp !== true) t.equal(path, `/${name}`);
    if (method === 'GET') t.notOk(controlCommands.find((command) => command.name === name)?.arguments, name);
    t.ok(
      commands.some((command) => command.name === name),
      'the command line knows it',
    );
  }
});

t.test('a flag that is also a setting means the same', async (t) => {
  const flags = settingKeys.map(flagOf);
  for (const { name, placeholder } of commonFlags) {
    if (flags.includes(name)) t.type(placeholder, 'string', name);
  }
});

t.test('the signals that are named are signals that the supervisor heeds', async (t) => {
  const heeded = signalHelp().map(({ name }) => name);
  for (const { name, signals = '' } of controlCommands) {
    for (const [signal] of signals.matchAll(/\b[A-Z]{2,}\d?\b/g)) t.ok(heeded.includes(signal), `${name}: ${signal}`);
  }
});

t.test('exit codes are those that a server does not end with', async (t) => {
  const codes: readonly number[] = Object.values(exitCodes);
  t.equal(new Set(codes).size, codes.length);
  t.notOk(codes.includes(3) || codes.includes(4));
});

t.test('--help of a command tells arguments, flags, signals and exit codes', async (t) => {
  for (const command of controlCommands) {
    const help = renderCommandHelp(command);
    t.ok(help.startsWith(`Usage: tricorn ${command.name}`));
    for (const { name } of [...commonFlags, ...ownFlags(command)]) t.ok(help.includes(`--${name}`), name);
    for (const code of Object.values(exitCodes)) t.match(help, new RegExp(`^  ${code} `, 'm'));
    if (command.signals !== undefined) t.ok(help.includes(`By signal: ${command.signals}.`));
  }
});

t.test('docs/control.md has all commands, paths and exit codes', async (t) => {
  const doc = readFileSync(new URL('../../../docs/control.md', import.meta.url), 'utf8');
  for (const { name, method, path } of controlCommands) {
    t.match(doc, new RegExp(`^\\| \`${name}[ \`]`, 'm'));
    t.ok(doc.includes(`\`${method} ${path}\``), path);
  }
  for (const code of Object.values(exitCodes)) t.match(doc, new RegExp(`^\\| ${code} `, 'm'));
});

t.test('docs/control.md and docs/cron.md have the commands about jobs', async (t) => {
  for (const name of ['control', 'cron']) {
    const doc = readFileSync(new URL(`../../../docs/${name}.md`, import.meta.url), 'utf8');
    for (const { name: command } of jobCommands) t.match(doc, new RegExp(`^\\| \`${command}[ \`]`, 'm'), name);
  }
  const control = readFileSync(new URL('../../../docs/control.md', import.meta.url), 'utf8');
  for (const code of Object.values(jobExitCodes)) {
    t.match(control.slice(control.indexOf('<!-- job-exit-codes -->')), new RegExp(`^\\| ${code} `, 'm'));
  }
});
