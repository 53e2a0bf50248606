/** The command line of a command that talks to a running server: few flags, none of a server's own. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../config/nearest.ts';
import { showText } from '../config/show.ts';
import { checkArguments, type Arguments } from './arguments.ts';
import { controlCommands, type Argument, type ControlCommand } from './commands.ts';
import type { ClueInput } from './clues.ts';

export interface ControlLine {
  readonly help: boolean;
  /** Answer in JSON. */
  readonly json: boolean;
  /** `status --path` */
  readonly path: boolean;
  /** What tells which server is meant. */
  readonly flags: ClueInput['flags'];
  /** The body of the request. */
  readonly values: Arguments;
  /** One line each. */
  readonly problems: readonly string[];
}

interface Flag {
  readonly name: string;
  readonly short?: string;
  /** What stands for its value; none = a switch. */
  readonly placeholder?: string;
  readonly summary: string;
}

/** Those that all of these commands have. */
export const commonFlags: readonly Flag[] = [
  { name: 'config', short: 'c', placeholder: 'FILE', summary: 'Ini file of the server; default: tricorn.ini here' },
  { name: 'pidfile', placeholder: 'FILE', summary: 'Pidfile of the server' },
  { name: 'control-socket', placeholder: 'PATH', summary: 'Control socket of the server' },
  { name: 'json', summary: 'Print the result as JSON' },
  { name: 'help', short: 'h', summary: 'Show this, and exit' },
];

/** Those of one command: of its own, and those that are arguments. */
export function ownFlags({ flags = [], arguments: known = [] }: ControlCommand): readonly Flag[] {
  const fromArguments = known.flatMap(({ field, type, summary = '', flags: named = {} }): Flag[] =>
    type === 'switch'
      ? [{ name: field, summary }]
      : Object.entries(named).map(([name, mode]) => ({ name, placeholder: 'N', summary: `How many, in ${mode} mode` })),
  );
  return [...flags, ...fromArguments];
}

type Token = NonNullable<ReturnType<typeof tokensOf>>[number];
type Values = Readonly<Record<string, string | true>>;

/** @param argv without node and script; the name of the command stands in it */
export function parseControlLine(command: ControlCommand, argv: readonly string[]): ControlLine {
  const known = [...commonFlags, ...ownFlags(command)];
  const tokens = tokensOf(argv, known);
  const problems: string[] = [];
  const values = readFlags(tokens, known, problems);
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined);
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const [config, pidfile, control_socket] = [text('config'), text('pidfile'), text('control-socket')];
  const fields = readFields(command, words.toSpliced(words.indexOf(command.name), 1), values, problems);
  const checked = checkArguments(command, fields);
  return {
    help: values['help'] === true,
    json: values['json'] === true,
    path: values['path'] === true,
    flags: {
      ...(config !== undefined && { config }),
      ...(pidfile !== undefined && { pidfile }),
      ...(control_socket !== undefined && { control_socket }),
    },
    values: checked.values,
    problems: [...problems, ...checked.problems],
  };
}

function tokensOf(argv: readonly string[], known: readonly Flag[]) {
  const options = known.map(({ name, short, placeholder }) => {
    const type: 'string' | 'boolean' = placeholder === undefined ? 'boolean' : 'string';
    return [name, short === undefined ? { type } : { type, short }] as const;
  });
  const named = Object.fromEntries(options);
  return parseArgs({ args: [...argv], options: named, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** By name; the last one counts. */
function readFlags(tokens: readonly Token[], known: readonly Flag[], problems: string[]): Values {
  const values: Record<string, string | true> = {};
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    // parseArgs, not being strict, takes `--pidfile --json` for a pidfile of that name.
    const hasValue = value !== undefined && value !== '' && (inlineValue || !value.startsWith('-'));
    const flag = known.find((candidate) => candidate.name === name);
    if (!flag) problems.push(unknownFlag(rawName, known));
    else if (flag.placeholder === undefined && value !== undefined) problems.push(`${rawName}: takes no value`);
    else if (flag.placeholder !== undefined && !hasValue)
      problems.push(`${rawName}: needs a value: ${withValue(flag)}`);
    else values[name] = value ?? true;
  }
  return values;
}

function unknownFlag(rawName: string, known: readonly Flag[]): string {
  const near = didYouMean(
    rawName,
    known.map(({ name }) => `--${name}`),
  );
  return `${showText(rawName)}: unknown flag${near}`;
}

function withValue({ name, placeholder = '' }: Flag): string {
  return `--${name}=${placeholder}`;
}

/** The body that the words and flags stand for, not yet checked. */
function readFields(
  { arguments: known = [] }: ControlCommand,
  words: string[],
  values: Values,
  problems: string[],
): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const argument of known) {
    if (argument.type === 'switch') {
      if (values[argument.field] === true) fields[argument.field] = true;
      continue;
    }
    const word = argument.flags ? fromFlags(argument, values, fields['mode'], problems) : words.shift();
    if (word !== undefined) fields[argument.field] = toValue(argument, word);
  }
  if (words.length > 0) problems.push(`${showText(words.join(' '))}: unexpected`);
  return fields;
}

/** Of several flags for one field, one may be given, and it must be that of the mode. */
function fromFlags({ flags = {} }: Argument, values: Values, mode: unknown, problems: string[]): string | undefined {
  const given = Object.keys(flags).filter((name) => values[name] !== undefined);
  for (const name of given) {
    if (flags[name] === mode || typeof mode !== 'string') continue;
    const right = Object.keys(flags).find((candidate) => flags[candidate] === mode);
    const instead = right === undefined ? 'leave it out' : `the mode ${mode} has --${right}`;
    problems.push(`--${name}=${String(values[name])}: is for ${flags[name]}; ${instead}`);
    return undefined;
  }
  return given[0] === undefined ? undefined : String(values[given[0]]);
}

function toValue({ type }: Argument, word: string): string | number {
  return type !== 'enum' && /^\d+$/.test(word) ? Number(word) : word;
}

/** `mode MODE [--workers=N|--threads=N]` */
export function usageOf(command: ControlCommand): string {
  const words = (command.arguments ?? []).map(({ field, type, placeholder = 'N', flags }) => {
    if (type === 'switch') return `[--${field}]`;
    if (!flags) return placeholder;
    const named = Object.keys(flags).map((name) => `--${name}=N`);
    return `[${named.join('|')}]`;
  });
  return [command.name, ...words, ...(command.flags ?? []).map(({ name }) => `[--${name}]`)].join(' ');
}

/** For a list of all commands. */
export const controlUsages: readonly { readonly name: string; readonly summary: string }[] = controlCommands.map(
  (command) => ({
    name: command.startsApp === true ? `${command.name} APP` : usageOf(command),
    summary: command.summary,
  }),
);
