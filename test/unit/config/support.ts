import type { Test } from 'tap';
import type { LoadedConfig } from '../../../src/config/config.ts';
import { loadConfig, type LoadInput } from '../../../src/config/load.ts';
import { TricornError } from '../../../src/errors.ts';

/** loadConfig with nothing given but what the test gives, on a machine of 8 processors, without a terminal. */
export function load(cwd: string, input: Partial<LoadInput> = {}): LoadedConfig {
  return loadConfig({ argv: [], env: {}, stdoutIsTTY: false, parallelism: 8, cwd, ...input });
}

/** The lines of the mistakes that loading reports; empty where it reports none. */
export function mistakes(cwd: string, input: Partial<LoadInput> = {}): string[] {
  try {
    load(cwd, input);
    return [];
  } catch (error) {
    if (!(error instanceof TricornError) || error.code !== 'TRC_CONFIG' || error.exitCode !== 2) throw error;
    const [head = '', ...lines] = error.message.split('\n');
    const count = lines.length === 1 ? '1 mistake' : `${lines.length} mistakes`;
    if (head !== `${count} in the configuration:`) throw error;
    return lines;
  }
}

/** The same with a tricorn.ini of these lines. */
export function mistakesOf(t: Test, lines: readonly string[], input: Partial<LoadInput> = {}): string[] {
  const folder = withIni(t, lines.join('\n'));
  return mistakes(folder, { argv: ['app.ts'], ...input }).map((line) => line.replaceAll(`${folder}/`, ''));
}

/** A folder with an app and a tricorn.ini. */
export function withIni(t: Test, ini: string | Buffer): string {
  return t.testdir({ 'app.ts': '', 'tricorn.ini': ini });
}
