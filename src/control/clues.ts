/**
 * What tells which running server is meant: flags, then environment, then the ini file, and of each control_socket
 * before pidfile. Only these settings are looked at: that of a server being asked to stop, others may be wrong.
 */
import { resolve } from 'node:path';
import type { LoadedConfig } from '../config/config.ts';
import { readEnvironment, type Environment } from '../config/environment.ts';
import { readConfigFile } from '../config/file-source.ts';
import type { Given } from '../config/given.ts';
import { settings } from '../config/settings.ts';
import { TricornError } from '../errors.ts';

export interface Clue {
  readonly key: 'control_socket' | 'pidfile';
  /** Absolute; or the control_socket `none`. */
  readonly path: string;
  /** For messages: `tricorn.ini:3 pidfile`. */
  readonly place: string;
}

export interface Clues {
  /** The strongest first. */
  readonly named: readonly Clue[];
  /** Absolute path of the app that is served; undefined = whichever. */
  readonly app: string | undefined;
}

export interface ClueInput {
  /** --config, --pidfile, --control-socket, as they were written. */
  readonly flags: { readonly config?: string; readonly pidfile?: string; readonly control_socket?: string };
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
}

const keys = ['control_socket', 'pidfile'] as const;

/** @throws TricornError TRC_CONFIG where the ini file cannot be read */
export function cluesOf({ flags, env, cwd }: ClueInput): Clues {
  const file = readConfigFile(flags.config, env, cwd);
  if (!file.readable) throw new TricornError('TRC_CONFIG', { count: '1 mistake', problems: file.problems.join('\n') });
  const layers: readonly (readonly Given[])[] = [
    keys.flatMap((key) => fromFlag(key, flags[key], cwd)),
    readEnvironment(env, cwd).given,
    file.given,
  ];
  const app = layers.flat().find(({ key }) => key === 'app');
  return { named: layers.flatMap((given) => cluesAmong(given)), app: app && absolute(app) };
}

/** For `tricorn check`, which has the whole configuration. */
export function cluesIn({ config, origins }: LoadedConfig): Clues {
  const named = keys.flatMap((key) => {
    return config[key] === '' ? [] : [{ key, path: config[key], place: origins[key].place }];
  });
  return { named, app: config.app };
}

function fromFlag(key: Clue['key'], raw: string | undefined, base: string): Given[] {
  if (raw === undefined) return [];
  const place = `--${key.replaceAll('_', '-')}`;
  return [{ key, raw, origin: 'flag', place, shown: place, base }];
}

function cluesAmong(given: readonly Given[]): Clue[] {
  return keys.flatMap((key) => {
    const found = given.findLast((candidate) => candidate.key === key);
    const path = found && absolute(found);
    return found && path ? [{ key, path, place: found.place }] : [];
  });
}

/** Undefined for what is empty, or no text. */
function absolute({ key, raw, base }: Given): string | undefined {
  if (typeof raw !== 'string' || raw === '') return undefined;
  return settings[key].words?.includes(raw) ? raw : resolve(base, raw);
}
