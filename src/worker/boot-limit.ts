/** boot_timeout for one thread: the same as for a worker process, which its supervisor watches. */
import type { Config } from '../config/config.ts';
import { toWireError, TricornError } from '../errors.ts';
import type { PoolThread } from './pool-thread.ts';
import { stuckStack } from './thread-reports.ts';

/**
 * Ends the thread where it is not ready in time, and has it say why: where it stands.
 *
 * @param isAlone false = it is part of the boot of its worker, whose time somebody else looks at
 */
export function limitBoot(thread: PoolThread, { app, boot_timeout: seconds }: Config, isAlone: () => boolean): void {
  const end = async (): Promise<void> => {
    if (!isAlone()) return;
    const { frames, unknown } = await stuckStack(thread);
    const wire = toWireError(new TricornError('TRC_BOOT_TIMEOUT', { app, seconds }));
    // It may be ready meanwhile.
    if (thread.state === 'starting')
      thread.giveUp({ ...wire, stack: unknown ?? (frames.join('\n') || 'no JavaScript is running') });
  };
  const timer = setTimeout(() => void end(), seconds * 1000).unref();
  for (const event of ['ready', 'exit'] as const) thread.once(event, () => clearTimeout(timer));
}
