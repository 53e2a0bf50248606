/** A named step of an app's end. */
export type Step = readonly [name: string, run: () => Promise<void>];

/**
 * Runs the steps one after the other, each also when the one before failed.
 *
 * @param limitMs for all of them together
 * @throws what the one failing step threw; an AggregateError where several failed; an Error that names the step that
 *   was running when the limit passed
 */
export async function stopWithin(limitMs: number, steps: readonly Step[]): Promise<void> {
  const errors: unknown[] = [];
  const limit = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => limit.resolve('late'), limitMs);
  for (const [name, run] of steps) {
    const result = await Promise.race([settle(run, errors), limit.promise]);
    if (result === 'late') {
      errors.push(new Error(`${name} was not done within ${Number((limitMs / 1000).toFixed(2))} s`));
      break;
    }
  }
  clearTimeout(timer);
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'the app did not stop cleanly');
}

async function settle(run: () => Promise<void>, errors: unknown[]): Promise<void> {
  try {
    await run();
  } catch (error) {
    errors.push(error);
  }
}
