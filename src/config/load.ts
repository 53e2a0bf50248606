/** Loads the configuration: default < file < environment < flag. */
import { availableParallelism } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { fs } from '../builtins.ts';
import { TricornError } from '../errors.ts';
import { parseCommandLine } from './command-line.ts';
import type { Config, LoadedConfig, Overridden } from './config.ts';
import { type Environment, kubernetesHint, readEnvironment } from './environment.ts';
import { defaultFile, readConfigFile } from './file-source.ts';
import type { Given, Source } from './given.ts';
import { validators } from './generated/validators.ts';
import { whyUnreadable } from './ini-file.ts';
import { didYouMean } from './nearest.ts';
import { type Facts, NO_INTERFACE, type Setting, type SettingKey, settingKeys, settings } from './settings.ts';
import { showPath } from './show.ts';
import { describeAllowed, toValue } from './values.ts';

export interface LoadInput {
  /** Without node and script: process.argv.slice(2). */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
  readonly stdoutIsTTY: boolean;
  /** What `auto` means; default os.availableParallelism(). */
  readonly parallelism?: number;
  /** Names of the commands, the default first; default those of `commands`. */
  readonly commands?: readonly string[];
  /** Whether a missing app is a mistake; default true, except for --print-config. */
  readonly needsApp?: boolean;
}

/**
 * The frozen configuration. Nothing but files is read besides the input.
 *
 * @throws TricornError TRC_CONFIG that names every mistake, one on a line
 */
export function loadConfig(input: LoadInput): LoadedConfig {
  const line = parseCommandLine(input.argv, input.cwd, input.commands);
  const file = readConfigFile(line.configFile, input.env, input.cwd);
  const environment = readEnvironment(input.env, input.cwd);
  const facts = factsOf(input, file.folder);
  const layers = [file, environment, line].map((source) => checkValues(source, facts));
  const merged = merge(layers, facts);
  const needsApp = (input.needsApp ?? line.action !== 'print-config') && file.readable && !line.isMisspelt;
  const problems = [...layers.flatMap((layer) => layer.problems), ...crossChecks(merged), ...checkFiles(merged)];
  if (needsApp && merged.config.app === '') problems.push(noApp);
  if (problems.length > 0) throw mistakes(problems);
  const warnings = [...layers.flatMap((layer) => layer.warnings), ...unused(merged)];
  return deepFreeze({
    config: merged.config,
    app_options: file.app,
    folder: input.cwd,
    origins: originsOf(merged),
    overridden: overriddenOf(layers, merged),
    warnings,
  });
}

function factsOf({ parallelism, stdoutIsTTY, env }: LoadInput, folder: string): Facts {
  // systemd's StateDirectory=; it separates several by colons.
  const given = env['STATE_DIRECTORY']?.split(':')[0] ?? '';
  const stateDirectory = given === '' ? join(folder, '.tricorn') : given;
  return { parallelism: parallelism ?? availableParallelism(), stdoutIsTTY, stateDirectory };
}

/** Whether a setting was given at all, with whatever value. */
export function explicit(loaded: LoadedConfig, key: SettingKey): boolean {
  return loaded.origins[key].origin !== 'default';
}

const noApp = `app: missing; give it as argument (tricorn app.ts), or as app under [options] in ${defaultFile}`;

function mistakes(problems: readonly string[]): TricornError {
  const count = problems.length === 1 ? '1 mistake' : `${problems.length} mistakes`;
  return new TricornError('TRC_CONFIG', { count, problems: problems.join('\n') });
}

// Values.

interface Value {
  readonly given: Given;
  readonly value: unknown;
}

interface Layer {
  readonly valid: readonly Value[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Every value that was given is checked, also one that a stronger source overrides. */
function checkValues(source: Source, { parallelism }: Facts): Layer {
  const values = source.given.map((given): Value => {
    const value = toValue(settings[given.key], given.raw, parallelism);
    return { given, value: absolute(settings[given.key], value, given.base) };
  });
  const { valid = [], refused = [] } = Object.groupBy(values, ({ given, value }) =>
    validators[given.key]?.(value) === true ? 'valid' : 'refused',
  );
  return {
    valid,
    problems: byLine([...source.problems, ...refused.map(({ given }) => refusal(given))]),
    warnings: source.warnings,
  };
}

/** An empty path stays empty: it means none. */
function absolute({ type, words = [] }: Setting, value: unknown, base: string): unknown {
  if (type !== 'path' || typeof value !== 'string' || value === '' || words.includes(value)) return value;
  return resolve(base, value);
}

function refusal({ key, raw, shown }: Given): string {
  const setting: Setting = settings[key];
  const meant = typeof raw === 'string' ? didYouMean(raw, setting.values ?? []) : '';
  return `${shown}: must be ${describeAllowed(setting)}${meant}${kubernetesHint(raw)}`;
}

/** Mistakes of a file in the order of its lines; others stay where they are. */
function byLine(problems: readonly string[]): string[] {
  const lineOf = (problem: string): number => Number(/:(\d+) /.exec(problem)?.[1] ?? 0);
  return problems.toSorted((a, b) => lineOf(a) - lineOf(b));
}

interface Merged {
  readonly config: Config;
  /** What was given and prevailed. */
  readonly winners: ReadonlyMap<SettingKey, Given>;
}

/** @param layers weakest first */
function merge(layers: readonly Layer[], facts: Facts): Merged {
  const prevailing = new Map(layers.flatMap(({ valid }) => valid).map((item) => [item.given.key, item]));
  const valueOf = (key: SettingKey, config: Config | undefined): unknown => {
    const given = prevailing.get(key);
    if (given !== undefined) return given.value;
    const fallback = (settings[key] as Setting).default;
    if (typeof fallback !== 'function') return fallback;
    return config && (fallback as (facts: Facts, config: Config) => unknown)(facts, config);
  };
  const build = (config?: Config): Config =>
    Object.fromEntries(settingKeys.map((key) => [key, valueOf(key, config)])) as unknown as Config;
  // Twice: a default that is a function reads the settings whose defaults are none.
  const winners = new Map(Array.from(prevailing, ([key, { given }]) => [key, given]));
  return { config: build(build()), winners };
}

function originsOf({ winners }: Merged): LoadedConfig['origins'] {
  const origins = settingKeys.map((key) => {
    const { origin, place } = winners.get(key) ?? { origin: 'default', place: 'default' };
    return [key, { origin, place }] as const;
  });
  return Object.fromEntries(origins) as LoadedConfig['origins'];
}

function overriddenOf(layers: readonly Layer[], { config, winners }: Merged): Overridden[] {
  const values = layers.flatMap(({ valid }) => valid);
  return values.flatMap(({ given: { key, origin, place }, value }) => {
    const winner = winners.get(key);
    if (origin !== 'file' || !winner || winner.origin === 'file') return [];
    const isSame = JSON.stringify(value) === JSON.stringify(config[key]);
    return isSame ? [] : [{ setting: key, place, by: winner.place }];
  });
}

// Settings that depend on each other, and on files.

function crossChecks({ config, winners }: Merged): string[] {
  const problems: string[] = [];
  const [workers, evented, headers] = [winners.get('workers'), winners.get('evented'), winners.get('headers_timeout')];
  if (workers && evented && config.workers > 0 && config.evented) {
    const remedy = 'workers = 0 for the evented mode, evented = false for prefork';
    problems.push(`${workers.shown} and ${evented.shown}: exclude each other; set ${remedy}`);
  }
  if (headers && config.request_timeout > 0 && config.headers_timeout > config.request_timeout) {
    const limit = winners.get('request_timeout')?.place ?? 'default';
    problems.push(`${headers.shown}: must not exceed request_timeout, ${config.request_timeout} seconds (${limit})`);
  }
  const aside = winners.get('evented_port');
  if (aside && config.evented_port !== 0 && config.evented_port === config.http_port) {
    problems.push(`${aside.shown}: must not be http_port; take another one`);
  }
  const health = winners.get('health_port');
  const rival =
    config.http_enable && (['http_port', 'evented_port'] as const).find((key) => config[key] === config.health_port);
  if (health && config.health_port !== 0 && rival) {
    problems.push(`${health.shown}: must not be ${rival}; take another one`);
  }
  const tests = winners.get('test_file');
  if (tests && config.test_file !== '' && !config.http_enable) {
    problems.push(`${tests.shown}: needs the server that http_enable = false leaves out; take one of them away`);
  }
  if (tests && config.test_file !== '' && config.http_enable && config.http_interface === NO_INTERFACE) {
    problems.push(
      `${tests.shown}: needs a TCP address, and http_interface = none leaves it out; take one of them away`,
    );
  }
  return problems;
}

function checkFiles({ config, winners }: Merged): string[] {
  return Array.from(winners).flatMap(([key, { shown }]) => {
    const { file }: Setting = settings[key];
    const path = config[key];
    if (file === undefined || typeof path !== 'string' || path === '') return [];
    const problem = fileProblem(path, file.endings);
    return problem === undefined ? [] : [`${shown}: ${problem}`];
  });
}

function fileProblem(path: string, endings: readonly string[]): string | undefined {
  try {
    if (!fs.statSync(path).isFile()) return `is no file: ${showPath(path)}`;
  } catch (error) {
    return whyUnreadable(error, path);
  }
  return endings.includes(extname(path)) ? undefined : `must end in one of ${endings.join(', ')}`;
}

function unused({ config, winners }: Merged): string[] {
  return Array.from(winners).flatMap(([key, { place }]) => {
    const why = (settings[key] as Setting).unusedWhen?.(config);
    return why === undefined ? [] : [`${place}: ${key} is not used: ${why}`];
  });
}

function deepFreeze<T extends object>(value: T): T {
  for (const item of Object.values(value)) {
    if (typeof item === 'object' && item !== null && !Object.isFrozen(item)) deepFreeze(item as object);
  }
  return Object.freeze(value);
}
