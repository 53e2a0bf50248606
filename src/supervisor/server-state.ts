/**
 * States of the service, and how each is entered and left:
 *
 *   new       built, nothing started. Left by run().
 *   booting   the port is bound, the first workers start. Left when all are ready, or by the first that fails.
 *   serving   ready was said. Left by a signal, or by a crash loop with exit_on_crash_loop. Reloads happen in it.
 *   stopping  the workers drain. Left when the last is gone.
 *   stopped   nothing is left. Final.
 */
export type ServerState = 'new' | 'booting' | 'serving' | 'stopping' | 'stopped';

const FROM: Readonly<Record<ServerState, readonly ServerState[]>> = {
  new: [],
  booting: ['new'],
  serving: ['booting'],
  stopping: ['booting', 'serving'],
  stopped: ['new', 'booting', 'serving', 'stopping'],
};

/** @returns `to` @throws Error where that is no transition */
export function serverTransition(from: ServerState, to: ServerState): ServerState {
  if (!FROM[to].includes(from)) throw new Error(`server: ${from} -> ${to} is no transition`);
  return to;
}

/**
 * States of one generation, and how each is entered and left:
 *
 *   new       built, nothing started. Left by boot().
 *   booting   its workers start. Left when all are ready, by the first that fails, or by a stop.
 *   serving   its workers serve, and are replaced when they end. Left when a newer one serves, or by a stop.
 *   draining  its workers finish what they have, and none is started. Final; it is forgotten with its last worker.
 */
export type GenerationState = 'new' | 'booting' | 'serving' | 'draining';

const GENERATION_FROM: Readonly<Record<GenerationState, readonly GenerationState[]>> = {
  new: [],
  booting: ['new'],
  serving: ['booting'],
  draining: ['new', 'booting', 'serving'],
};

/** @returns `to` @throws Error where that is no transition */
export function generationTransition(from: GenerationState, to: GenerationState): GenerationState {
  if (!GENERATION_FROM[to].includes(from)) throw new Error(`generation: ${from} -> ${to} is no transition`);
  return to;
}
