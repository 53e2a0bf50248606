/**
 * Real apps of every form, on the real command: what each framework's users rely on. apps.*.test.ts run it, one file a
 * mode, so that they run beside each other.
 */
import type { Mode } from '../support/tricorn.ts';
import { fastify } from './apps-fastify.ts';
import { forms } from './apps-forms.ts';
import { hooks } from './apps-hooks.ts';
import { refusals } from './apps-refusals.ts';

export function apps(mode: Mode): void {
  forms(mode);
  refusals(mode);
  fastify(mode);
  hooks(mode);
}
