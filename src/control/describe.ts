/** What is written for people from the table of commands: `tricorn COMMAND --help`, and the tables of docs/control.md. */
import { jobCommands, jobExitCodeDocs, jobExitCodes } from '../cron/commands.ts';
import { describeArgument } from './arguments.ts';
import { commonFlags, ownFlags, usageOf } from './command-line.ts';
import { controlCommands, exitCodeDocs, exitCodes, type ControlCommand } from './commands.ts';

const nameWidth = 28;

/** The answer to `tricorn COMMAND --help`. */
export function renderCommandHelp(command: ControlCommand): string {
  const flags = [...ownFlags(command), ...commonFlags].map(({ name, short, placeholder, summary }) => {
    const shown = `${short === undefined ? '    ' : `-${short}, `}--${name}${placeholder ? `=${placeholder}` : ''}`;
    return `  ${shown.padEnd(nameWidth)}${summary}`;
  });
  const codes = exitRows(exitCodes, exitCodeDocs).map(([code, doc]) => `  ${code.padEnd(nameWidth)}${doc}`);
  return [
    `Usage: tricorn ${usageOf(command)} [flags]`,
    '',
    `${command.summary}.${command.signals === undefined ? '' : ` By signal: ${command.signals}.`}`,
    '',
    'Flags:',
    ...flags,
    '',
    'Exit codes:',
    ...codes,
    '',
    'Without a flag that names the server, tricorn.ini here or TRICORN_* does, else it is the only one that runs.',
    'More: docs/control.md',
    '',
  ].join('\n');
}

/** The table of commands in Markdown. */
export function renderCommandTable(): string {
  const rows = controlCommands.map((command) => [
    `\`${command.startsApp === true ? `${command.name} APP [flags]` : usageOf(command)}\``,
    command.summary,
    `\`${command.method} ${command.path}\`${bodyOf(command)}`,
    command.signals ?? '',
  ]);
  return table(['`tricorn …`', 'What it does', 'HTTP', 'Signal'], rows);
}

/** The table of the commands about jobs in Markdown. They ask the store, so they have neither path nor signal. */
export function renderJobCommandTable(): string {
  const rows = jobCommands.map(({ usage, summary }) => [`\`${usage}\``, summary]);
  return table(['`tricorn …`', 'What it does'], rows);
}

/** The table of exit codes in Markdown. */
export function renderExitCodes(): string {
  return table(['Exit code', 'Meaning'], exitRows(exitCodes, exitCodeDocs));
}

/** Those of the commands about jobs. */
export function renderJobExitCodes(): string {
  return table(['Exit code', 'Meaning'], exitRows(jobExitCodes, jobExitCodeDocs));
}

function exitRows<N extends string>(
  codes: Readonly<Record<N, number>>,
  docs: Readonly<Record<N, string>>,
): [string, string][] {
  return (Object.keys(codes) as N[]).map((name) => [String(codes[name]), docs[name]]);
}

function bodyOf({ arguments: known = [] }: ControlCommand): string {
  const fields = known.map((argument) => {
    const optional = argument.optional === true ? ', optional' : '';
    return `\`${argument.field}\`: ${describeArgument(argument)}${optional}`;
  });
  return fields.length === 0 ? '' : `, JSON with ${fields.join('; ')}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, header.map(() => '---'), ...rows];
  return lines.map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}
