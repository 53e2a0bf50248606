/** What a thread answers to its pool, and what is said for one that does not answer. */
import { RemoteError, TricornError, type WireError } from '../errors.ts';
import type { LoopUsage } from '../protocol.ts';
import type { PoolThread } from './pool-thread.ts';

/** A thread that says nothing for this long counts as blocked, milliseconds. */
export const ANSWER_MS = 1000;

/** Resolves when the thread is ready or no longer wanted, rejects with the reason why it will not be. */
export function readiness(thread: PoolThread, app: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause: unknown): void => reject(new TricornError('TRC_APP_BOOT', { app }, { cause }));
  thread.once('ready', resolve);
  thread.once('fatal', (error: WireError) => reject(new RemoteError(error)));
  thread.once('failure', failed);
  thread.once('exit', (code, expected) => {
    // One that was told to go while the boot still ran is not missed.
    if (expected) resolve();
    else failed(new Error(`${thread.name} ended by exit code ${code}`));
  });
  return promise;
}

/** Resolves when the thread's jobs are known to the store, or it does not answer. One that still boots is told, not waited for. */
export function published(thread: PoolThread, since: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  thread.once('published', resolve).once('exit', () => resolve());
  thread.send({ type: 'publish', since });
  if (thread.state === 'starting') resolve();
  return promise;
}

/** Its figures; where it is blocked, the counters that others can read. */
export function usageOf(thread: PoolThread): Promise<LoopUsage> {
  const { promise, resolve } = Promise.withResolvers<LoopUsage>();
  const late = setTimeout(() => resolve(blockedUsage(thread)), ANSWER_MS);
  thread.once('usage', (usage) => {
    clearTimeout(late);
    resolve(usage);
  });
  thread.send({ type: 'usage' });
  return promise;
}

/** What can be said of a thread that does not answer. */
function blockedUsage({ number, ledger }: PoolThread): LoopUsage {
  const { requests, inflight, connections } = ledger;
  return {
    thread: number,
    blocked: true,
    requests,
    inflight,
    connections,
    waiting: 0,
    refused: 0,
    utilisation: 1,
    delayP50: 0,
    delayP99: 0,
    heap: 0,
    app: null,
    unhealthy: null,
  };
}
