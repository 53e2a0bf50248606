/** The app test/fixtures/apps/lab.ts, which does whatever a test asks of it. */
import type { Test } from 'tap';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from './tricorn.ts';

export const lab: string = fixture('lab.ts');

/** What /who answers. */
export interface Who {
  readonly pid: number;
  readonly thread: number;
  readonly title: string;
}

export function startLab(t: Test, mode: Mode, more: readonly string[] = []): Promise<Tricorn> {
  return startTricorn(t, lab, [...modes[mode], ...more]);
}
