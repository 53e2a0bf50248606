/** What the supervisor itself can say of a boot that failed; what the worker says of it comes as a message. */
import { setTimeout as pass } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { toWireError, TricornError, type WireError } from '../errors.ts';
import { describeStacks } from './reports.ts';
import type { WorkerHandle } from './worker-handle.ts';
import { howItEnded } from './deaths.ts';
import type { Exit } from './worker-handle.ts';

/** How long a worker that is late has to say where it stands, milliseconds. */
const STACKS_MS = 1000;

/** For a worker that was not ready in time, and still runs: with where it stands, as far as it can tell. */
export async function bootTimeout({ app, boot_timeout: seconds }: Config, handle: WorkerHandle): Promise<WireError> {
  const wire = toWireError(new TricornError('TRC_BOOT_TIMEOUT', { app, seconds }));
  const loops = await Promise.race([handle.askStacks(), pass(STACKS_MS, undefined, { ref: false })]);
  const silent = `${handle.name} did not tell within ${STACKS_MS} ms where it stands`;
  return { ...wire, stack: loops === undefined ? silent : describeStacks(handle, loops) };
}

/** The worker was gone before it said anything, for example by process.exit() in the app. */
export function earlyEnd({ app }: Config, name: string, exit: Exit): WireError {
  const reason = `${name} ended by ${howItEnded(exit)}`;
  const wire = toWireError(new TricornError('TRC_APP_BOOT', { app }));
  return { ...wire, message: `${wire.message}: ${reason}` };
}
