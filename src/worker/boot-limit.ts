/** boot_timeout for one thread: the same as for a worker process, which its supervisor watches. */
import type { Config } from '../config/config.ts';
import { toWireError, TricornError, type WireError } from '../errors.ts';
import type { PoolThread } from './pool-thread.ts';
import { stuckStack } from './thread-reports.ts';

export interface BootLimit {
  readonly config: Config;
  /** False = the thread is part of the boot of its worker, whose time the supervisor looks at. */
  readonly isAlone: () => boolean;
  /** Called where the thread is not ready in time and still boots, with where it stands. */
  readonly onLate: (error: WireError) => void;
}

export function limitBoot(thread: PoolThread, { config, isAlone, onLate }: BootLimit): void {
  const { app, boot_timeout: seconds } = config;
  const judge = async (): Promise<void> => {
    if (!isAlone()) return;
    const { frames, unknown } = await stuckStack(thread);
    const stack = unknown ?? (frames.join('\n') || 'no JavaScript is running');
    const error = toWireError(new TricornError('TRC_BOOT_TIMEOUT', { app, seconds }));
    if (thread.state === 'starting') onLate({ ...error, stack });
  };
  const timer = setTimeout(() => void judge(), seconds * 1000).unref();
  for (const event of ['ready', 'exit'] as const) thread.once(event, () => clearTimeout(timer));
}
