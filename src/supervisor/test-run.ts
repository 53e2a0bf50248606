/** Runs the `test_file` against the live server, in a process of its own. */
import { spawn } from 'node:child_process';

/**
 * Runs `node --test FILE` with TRICORN_URL in its environment.
 *
 * @returns its exit code; 1 where it could not be run or a signal ended it
 */
export function runTestFile(file: string, url: string, signal: AbortSignal): Promise<number> {
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
