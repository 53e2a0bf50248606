/** Runs the `test_file` against the live server, in a process of its own. */
import { spawn } from 'node:child_process';
import type { Logger } from '../log/supervisor-log.ts';

export interface TestRun {
  /** Undefined where the server has no TCP address: then it is not run. */
  readonly url: string | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Runs `node --test FILE` with TRICORN_URL in its environment, and says how it went.
 *
 * @returns its exit code; 1 where it could not be run or a signal ended it
 */
export async function runTestFile(file: string, { url, signal, log }: TestRun): Promise<number> {
  if (url === undefined) log.error('test_file is not run: it needs a TCP address, and none was passed');
  const code = url === undefined ? 1 : await exitCodeOf(file, url, signal);
  log.info({ code }, `${file}: ${code === 0 ? 'passed' : 'failed'}`);
  return code;
}

function exitCodeOf(file: string, url: string, signal: AbortSignal): Promise<number> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [...process.execArgv, '--test', file], {
    env: { ...env, TRICORN_URL: url },
    stdio: ['ignore', 'inherit', 'inherit'],
    signal,
  });
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
