/** trigger(), as apps have it. It needs nothing but a promise of a store: what opens one is loaded when it is first called. */
import { didYouMean } from '../config/nearest.ts';
import { storeError } from './store-errors.ts';
import type { Store } from './store.ts';

/** Registered, so that an app with a copy of the package of its own finds the store of the worker that runs it. */
const PROVIDED = Symbol.for('tricorn.store');

interface Provided {
  readonly open: () => Promise<Store>;
  opened?: Promise<Store>;
}

const place = globalThis as { [PROVIDED]?: Provided };

export interface TriggerOptions {
  /** When it is to be run; default: now. A time that has passed is now. */
  readonly at?: Date | number;
  /**
   * Whether one run may serve this and others that ask for the same job at the same time or earlier; default true. A run that
   * has begun serves nobody who asks later.
   */
  readonly coalesce?: boolean;
}

const OPTIONS: readonly string[] = ['at', 'coalesce'] satisfies (keyof TriggerOptions)[];

/**
 * Asks that a job be run, whatever its schedule. Resolves when the store has it: then it will be run, whatever happens to this
 * process. A job that is paused is run when it is resumed.
 *
 * @throws TricornError TRC_JOB_UNKNOWN, or TRC_STORE where the store is away; TypeError for options that are none
 */
export async function trigger(name: string, options: TriggerOptions = {}): Promise<void> {
  const request = { at: timeOf(options.at), coalesce: options.coalesce ?? true };
  for (const key of Object.keys(options)) {
    if (!OPTIONS.includes(key)) throw new TypeError(`trigger() has no option ${key}${didYouMean(key, OPTIONS)}`);
  }
  const provided = place[PROVIDED];
  if (!provided) throw storeError('none', 'this process is no worker of Tricorn, so there is nothing to trigger');
  const store = await (provided.opened ??= provided.open());
  await store.trigger(name, { coalesce: request.coalesce, ...(request.at === undefined ? {} : { at: request.at }) });
}

function timeOf(at: Date | number | undefined): number | undefined {
  if (at === undefined) return undefined;
  const time = Number(at);
  if (!Number.isFinite(time)) throw new TypeError(`trigger({ at }) must be a time, not ${String(at)}`);
  return Math.round(time);
}

/**
 * What trigger() uses in this process or thread from now on.
 *
 * @returns what closes it, if it was opened
 */
export function provideStore(open: () => Promise<Store>): () => Promise<void> {
  const provided: Provided = { open };
  place[PROVIDED] = provided;
  return async () => {
    if (place[PROVIDED] === provided) delete place[PROVIDED];
    await (await provided.opened)?.close();
  };
}
