/** A clock that a test moves on, for a real server in which a minute is to pass. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { StartOptions } from './tricorn.ts';

const LATER = fileURLToPath(new URL('later.mjs', import.meta.url));

export interface MovedClock {
  readonly options: StartOptions;
  /** From now on it is so much later than it would be, milliseconds, in every process and thread of the server. */
  ahead(ms: number): void;
}

/**
 * For a server that is started with these options. It is what faketime(1) does, for the monotonic clocks alone.
 *
 * @param of whose clock it is
 */
export function movedClock(t: Test, of: 'all' | 'supervisor' = 'all'): MovedClock {
  const folder = mkdtempSync(join(tmpdir(), 'tricorn-clock-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'ahead');
  writeFileSync(file, '0');
  return {
    options: { execArgv: ['--import', LATER], env: { CLOCK_AHEAD: file, CLOCK_OF: of } },
    ahead: (ms) => {
      // In one step: half a number would be another time.
      writeFileSync(`${file}.next`, String(ms));
      renameSync(`${file}.next`, file);
    },
  };
}
