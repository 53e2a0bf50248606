/** What the supervisor itself can say of a boot that failed; what the worker says of it comes as a message. */
import type { Config } from '../config/config.ts';
import { toWireError, TricornError, type WireError } from '../errors.ts';

export function bootTimeout({ app, boot_timeout: seconds }: Config): WireError {
  return toWireError(new TricornError('TRC_BOOT_TIMEOUT', { app, seconds }));
}

/** The worker was gone before it said anything, for example by process.exit() in the app. */
export function earlyEnd({ app }: Config, reason: string): WireError {
  const wire = toWireError(new TricornError('TRC_APP_BOOT', { app }));
  return { ...wire, message: `${wire.message}: ${reason}` };
}
