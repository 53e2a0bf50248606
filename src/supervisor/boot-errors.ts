/** What the supervisor itself can say of a boot that failed; what the worker says of it comes as a message. */
import type { Config } from '../config/config.ts';
import { toWireError, TricornError, type WireError } from '../errors.ts';
import { whereItStands } from './reports.ts';
import type { WorkerHandle } from './worker-handle.ts';
import { howItEnded } from './deaths.ts';

/** The app has not been begun with. */
const ASLEEP = 'A module of --import or --require has not been loaded in that time: look for an await in it.';

/** For a worker that was not ready in time, and still runs: with where it stands, as far as it can tell. */
export async function bootTimeout({ app, boot_timeout: seconds }: Config, handle: WorkerHandle): Promise<WireError> {
  const wire = toWireError(new TricornError('TRC_BOOT_TIMEOUT', { app, seconds }));
  if (!handle.isAwake) return { ...wire, hint: ASLEEP };
  const { stack } = await whereItStands(handle);
  return { ...wire, stack };
}

/** The worker was gone before it said anything, for example by process.exit() in the app. */
export function earlyEnd({ app, name, exit }: Pick<WorkerHandle, 'app' | 'name' | 'exit'>): WireError {
  const wire = toWireError(new TricornError('TRC_APP_BOOT', { app }));
  return exit ? { ...wire, message: `${wire.message}: ${name} ended by ${howItEnded(exit)}` } : wire;
}

/** It has served beside the old generation, and is not as good. */
export function trialError(reason: string): WireError {
  return toWireError(new TricornError('TRC_CANARY', { reason }));
}
