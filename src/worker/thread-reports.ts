/** What is said of the threads of a pool from outside of them: where they stand, and how one has ended. */
import type { Logger } from '../log/logger.ts';
import { nameRequests } from '../log/requests.ts';
import type { LoopStack } from '../protocol.ts';
import type { PoolThread } from './pool-thread.ts';
import { threadStacks } from './stacks.ts';

const NO_STACK = { frames: [], unknown: 'could not be taken' };

/** Of all of them; one that is idle is waked for it. */
export async function stacksOf(threads: Iterable<PoolThread>): Promise<LoopStack[]> {
  const byLabel = new Map(Array.from(threads, (thread) => [thread.label, thread]));
  const stacks = await threadStacks((label) => byLabel.get(label)?.send({ type: 'wake' }));
  return [...threads].map(({ number, label, ledger }) => {
    const stack = stacks.get(label) ?? { frames: [], unknown: 'is not running yet' };
    return { thread: number, ...stack, ...nameRequests(ledger.entries()) };
  });
}

/** Of one that is known to be stuck: no other is disturbed. */
export async function stuckStack({ label }: PoolThread): Promise<Omit<LoopStack, 'thread'>> {
  return (await threadStacks(() => {}, label)).get(label) ?? NO_STACK;
}

/** It did not end in time, and is about to be ended. */
export async function reportLate(log: Logger, thread: PoolThread): Promise<void> {
  const { name, number, ledger } = thread;
  const requests = nameRequests(ledger.entries());
  const { frames, unknown } = await stuckStack(thread);
  const stack = unknown ?? frames.join('\n');
  log.error({ thread: number, ...requests, stack }, `${name} did not end in time: ended`);
}

interface End {
  readonly code: number;
  readonly expected: boolean;
  readonly isReplaced: boolean;
}

/** What the thread could not say itself, such as its heap's end, is said for it; its ledger is still there. */
export function reportEnd(log: Logger, thread: PoolThread, { code, expected, isReplaced }: End): void {
  const { name, number, failure, ledger } = thread;
  const how = `died: ${failure ? failure.message : `exit code ${code}`}${isReplaced ? '; it is replaced' : ''}`;
  if (failure) {
    log.fatal({ err: failure, thread: number, ...nameRequests(ledger.entries()) }, `${name} ${how}`);
  } else if (expected) log.info({ thread: number, code }, `${name} has ended`);
  else log.warn({ thread: number, code }, `${name} ${how}`);
}
