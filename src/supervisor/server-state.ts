/**
 * States of the server, and how each is entered and left:
 *
 *   new       built, nothing started. Left by run().
 *   booting   the port is bound, the first workers start. Left when all are ready, or by the first that fails.
 *   serving   ready was said. Left by a signal, or by a crash loop with exit_on_crash_loop.
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
