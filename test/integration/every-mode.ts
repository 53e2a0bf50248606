/**
 * The contract: what every mode promises, shown on the real command. every-mode.*.test.ts run it, one file a mode, so
 * that they run beside each other.
 */
import type { Mode } from '../support/tricorn.ts';
import { booting } from './every-mode-booting.ts';
import { deaths } from './every-mode-deaths.ts';
import { logging } from './every-mode-logging.ts';
import { serving } from './every-mode-serving.ts';
import { signals } from './every-mode-signals.ts';
import { stopping } from './every-mode-stopping.ts';

export function contract(mode: Mode): void {
  serving(mode);
  stopping(mode);
  signals(mode);
  deaths(mode);
  booting(mode);
  logging(mode);
}
