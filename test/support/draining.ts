/** For tests of what a drain waits for. */
import type { Test } from 'tap';
import type { LogLine, Tricorn } from './tricorn.ts';

/** Far longer than any test waits: what ends, was not cut by it. */
export const patient: readonly string[] = ['--graceful-timeout=1h', '--keep-alive-timeout=1'];

/** Connections were cut at graceful_timeout. */
export function isCut({ msg }: LogLine): boolean {
  return msg.startsWith('graceful_timeout');
}

/** Starts an app of the fixtures in the mode that is tested. */
export type Start = (t: Test, app: string, ...flags: string[]) => Promise<Tricorn>;
