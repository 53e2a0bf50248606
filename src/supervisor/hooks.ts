/** Hooks that run once at the end, each guarded: one that throws or hangs never keeps the others from running. */
export type Hook = () => unknown;

/**
 * Runs the hooks one after the other, within `limitMs` all together; those left by then are started, but not waited for.
 *
 * @returns what went wrong, for the log
 */
export async function runHooks(hooks: readonly Hook[], limitMs: number): Promise<unknown[]> {
  const errors: unknown[] = [];
  const { promise: limit, cancel } = cancellableTimeout(limitMs);
  for (const hook of hooks) {
    try {
      if ((await Promise.race([hook(), limit])) === TIMED_OUT) {
        errors.push(new Error(`a stop hook did not end within ${limitMs} ms`));
      }
    } catch (error) {
      errors.push(error);
    }
  }
  cancel();
  return errors;
}

const TIMED_OUT = Symbol('timed out');

function cancellableTimeout(ms: number): { promise: Promise<typeof TIMED_OUT>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<typeof TIMED_OUT>();
  const timer = setTimeout(resolve, ms, TIMED_OUT);
  return { promise, cancel: () => clearTimeout(timer) };
}
