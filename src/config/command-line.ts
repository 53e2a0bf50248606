/** The command line: command, action, and settings given as flags. */
import { util } from '../builtins.ts';
import { controlCommands } from '../control/commands.ts';
import { jobCommands } from '../cron/commands.ts';
import { type Given, oldName, type Source } from './given.ts';
import { didYouMean, meant, question } from './nearest.ts';
import { dashed, flagOf, type SettingKey, settingKeys, settings, settingsCalled } from './settings.ts';
import { showText } from './show.ts';
import { showValue } from './values.ts';

type Action = 'run' | 'help' | 'version' | 'print-config';

/** What a command line says. Its mistakes are not thrown, so that they are reported together with those of the file. */
export interface CommandLine extends Source {
  /** One of the commands; the first of them where none is named. */
  readonly command: string;
  /** `run` the command, or only answer --help, --version or --print-config. */
  readonly action: Action;
  /** --config as it was written. */
  readonly configFile: string | undefined;
  /** --json: answer in JSON. */
  readonly json: boolean;
  /** Its first word is no command, but nearly: one of the problems. */
  readonly isMisspelt: boolean;
}

export interface Command {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
}

const serve: Command = { name: 'serve', summary: 'Serve the app; needs not be written' };

/** The first is the default: `tricorn app.ts` is `tricorn serve app.ts`. */
export const commands: readonly Command[] = [serve, ...controlCommands, ...jobCommands];

/** The flags that are no settings. */
const actions: Readonly<Record<string, Action>> = {
  help: 'help',
  version: 'version',
  'print-config': 'print-config',
};

/** What a flag does to its setting. */
interface SettingFlag {
  readonly key: SettingKey;
  /** For switches: what the bare flag means. */
  readonly means: 'true' | 'false' | undefined;
  /** The current name, if this is an old one. */
  readonly now?: string;
}

const settingFlags: ReadonlyMap<string, SettingFlag> = new Map(settingKeys.flatMap(flagsOf));

function flagsOf(key: SettingKey): [string, SettingFlag][] {
  const flag = flagOf(key);
  if (flag === undefined) return [];
  if (settings[key].type === 'boolean') {
    return [
      [flag, { key, means: 'true' }],
      [`no-${flag}`, { key, means: 'false' }],
    ];
  }
  const old = (settings[key].aliases ?? []).map((name): [string, SettingFlag] => [
    dashed(name),
    { key, means: undefined, now: flag },
  ]);
  return [[flag, { key, means: undefined }], ...old];
}

interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
}

const options: Readonly<Record<string, Option>> = {
  config: { type: 'string', short: 'c' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
  'print-config': { type: 'boolean' },
  json: { type: 'boolean' },
  ...Object.fromEntries(Array.from(settingFlags, ([flag, target]) => [flag, optionOf(flag, target)])),
};

function optionOf(flag: string, { key, means }: SettingFlag): Option {
  const { short } = settings[key];
  const type = means === undefined ? 'string' : 'boolean';
  return short !== undefined && flag === flagOf(key) ? { type, short } : { type };
}

/**
 * @param argv without node and script: process.argv.slice(2)
 * @param cwd absolute; relative paths are resolved from it
 * @param names those of the commands, the default first. A first argument that equals one is the command; write
 *   `./serve` to serve a file of that name.
 */
export function parseCommandLine(
  argv: readonly string[],
  cwd: string = process.cwd(),
  names: readonly string[] = commands.map(({ name }) => name),
): CommandLine {
  const reader = new Reader(cwd);
  for (const token of tokenize(argv, reader)) reader.read(token);
  return reader.finish(names);
}

type Token = NonNullable<ReturnType<typeof tokensOf>>[number];

/**
 * parseArgs, when it may not throw at the first mistake, takes `--logfile --evented` for a logfile called "--evented".
 * Such a flag is reported as lacking its value and taken out; then the rest is read again.
 */
function tokenize(argv: readonly string[], reader: Reader): readonly Token[] {
  const tokens = tokensOf(argv);
  const bare = tokens.find(
    (token) => token.kind === 'option' && token.inlineValue === false && looksLikeFlag(token.value),
  );
  if (bare?.kind !== 'option') return tokens;
  reader.missingValue(bare.rawName);
  return tokenize(argv.toSpliced(bare.index, 1), reader);
}

function tokensOf(argv: readonly string[]) {
  return util.parseArgs({
    args: [...argv],
    options: { ...options },
    strict: false,
    allowPositionals: true,
    tokens: true,
  }).tokens;
}

/** `-1` is a value: refused by its range, it makes the better message. */
function looksLikeFlag(text: string | undefined): boolean {
  return text !== undefined && /^-\D/.test(text) && !/^-\.\d/.test(text);
}

type OptionToken = Extract<Token, { kind: 'option' }>;

/** Collects what the tokens say, mistakes included. */
class Reader {
  readonly #cwd: string;
  readonly #given: Given[] = [];
  readonly #problems: string[] = [];
  readonly #warnings: string[] = [];
  readonly #positionals: string[] = [];
  #action: Action = 'run';
  #configFile: string | undefined;
  #json = false;
  #isMisspelt = false;
  /** Index in argv of a positional that may be the value of an unknown flag before it. */
  #swallowed = -1;

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  read(token: Token): void {
    if (token.kind === 'positional' && token.index !== this.#swallowed) this.#positionals.push(token.value);
    if (token.kind === 'option') this.#readOption(token);
  }

  missingValue(rawName: string): void {
    const name = rawName.replace(/^-+/, '');
    const option = Object.entries(options).find(([flag, { short }]) => flag === name || short === name);
    const target = settingFlags.get(option?.[0] ?? '');
    const placeholder = target === undefined ? 'FILE' : placeholderOf(target.key);
    this.#problems.push(`${rawName}: needs a value: ${withValue(rawName)}${placeholder}`);
  }

  #readOption(token: OptionToken): void {
    const target = settingFlags.get(token.name);
    const action = Object.hasOwn(actions, token.name) ? actions[token.name] : undefined;
    if (target !== undefined) this.#readSetting(token, target);
    else if (token.name === 'config') this.#readConfig(token);
    else if (action === undefined && token.name !== 'json') this.#unknown(token);
    else if (token.value === undefined) this.#act(action);
    else this.#problems.push(`${token.rawName}=${showText(token.value)}: takes no value`);
  }

  /** --help wins over --version, and both over --print-config, in whatever order they stand. */
  #act(action: Action | undefined): void {
    if (action === undefined) return void (this.#json = true);
    const rank: readonly Action[] = ['run', 'print-config', 'version', 'help'];
    if (rank.indexOf(action) > rank.indexOf(this.#action)) this.#action = action;
  }

  #readConfig(token: OptionToken): void {
    const { rawName } = token;
    const value = valueOf(token);
    if (value === undefined) this.missingValue(rawName);
    else if (this.#configFile !== undefined)
      this.#problems.push(
        `${withValue(rawName)}${showText(value)}: one config file only; the first is ${showText(this.#configFile)}`,
      );
    else this.#configFile = value;
  }

  #readSetting(token: OptionToken, { key, means, now }: SettingFlag): void {
    const { rawName } = token;
    const value = valueOf(token);
    if (now !== undefined) this.#warnings.push(oldName(rawName, rawName, `--${now}`));
    if (means === undefined) {
      if (value === undefined) this.missingValue(rawName);
      else this.#give(key, rawName, value, `${withValue(rawName)}${showValue(settings[key], value)}`);
    } else if (value === undefined) this.#give(key, rawName, means, rawName);
    else {
      const flag = flagOf(key) ?? key;
      this.#problems.push(`${rawName}=${showText(value)}: takes no value; write --${flag} or --no-${flag}`);
    }
  }

  /** The last one counts, so that a script's flags can be overridden by appending; lists add up. */
  #give(key: SettingKey, place: string, value: string, shown: string): void {
    const earlier = this.#given.findLast((given) => given.key === key)?.raw;
    const raw = settings[key].type === 'list' && Array.isArray(earlier) ? [...earlier, value] : [value];
    const single = settings[key].type === 'list' ? raw : value;
    this.#given.push({ key, raw: single, origin: 'flag', place, shown, base: this.#cwd });
  }

  #unknown({ rawName, value, index }: OptionToken): void {
    const names = flagsMeant(rawName);
    this.#problems.push(`${showText(rawName)}: unknown flag${question(names)}`);
    // Of `--http-prot 8080`, 8080 is not reported as a second app.
    const takesValue = names.some((name) => options[name.slice(2)]?.type === 'string');
    if (value === undefined && takesValue) this.#swallowed = index + 1;
  }

  finish(names: readonly string[]): CommandLine {
    const named = names.includes(this.#positionals[0] ?? '');
    const command = (named ? this.#positionals.shift() : names[0]) ?? 'serve';
    this.#readArguments(this.#positionals, named ? [] : names);
    if (this.#json && command === names[0]) this.#problems.push('--json: is for commands, such as tricorn check');
    return {
      command,
      action: this.#action,
      configFile: this.#configFile,
      json: this.#json,
      isMisspelt: this.#isMisspelt,
      given: this.#given,
      problems: this.#problems,
      warnings: this.#warnings,
    };
  }

  /** @param names those that the first argument may have been meant to be */
  #readArguments([first, ...more]: readonly string[], names: readonly string[]): void {
    if (first === undefined) return;
    // A file has an ending, or stands in a folder.
    const hint = /[./]/.test(first) ? '' : didYouMean(first, names);
    if (hint !== '') {
      this.#isMisspelt = true;
      this.#problems.push(`${showText(first)}: unknown command${hint}`);
      return this.#readArguments(more, []);
    }
    this.#give('app', 'the command line', first, showValue(settings.app, first));
    if (more.length > 0)
      this.#problems.push(`${showText(more.join(' '))}: unexpected; one app only, and that is ${showText(first)}`);
  }
}

/** By what other servers call it, else by its letters; a short flag has too few of them. */
function flagsMeant(rawName: string): string[] {
  const called = settingsCalled(rawName.replace(/^-+/, '')).flatMap((key) => flagOf(key) ?? []);
  if (called.length > 0) return called.map((flag) => `--${flag}`);
  const names = Object.keys(options).map((name) => `--${name}`);
  return rawName.startsWith('--') ? meant(rawName, names) : [];
}

/** `-w=3`: parseArgs takes `=3` for the value, people do not. */
function valueOf({ rawName, value, inlineValue }: OptionToken): string | undefined {
  return inlineValue === true && !rawName.startsWith('--') ? value?.replace(/^=/, '') : value;
}

function withValue(rawName: string): string {
  return rawName.startsWith('--') ? `${rawName}=` : `${rawName} `;
}

/** What stands for a setting's value in --help and messages. */
export function placeholderOf(key: SettingKey): string {
  const { placeholder, type } = settings[key];
  const byType = { path: 'FILE', duration: 'TIME', size: 'SIZE', count: 'N', integer: 'N' } as const;
  return placeholder ?? (type in byType ? byType[type as keyof typeof byType] : 'VALUE');
}
