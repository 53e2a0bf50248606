/** Which descriptors a worker inherits, and under which numbers it finds them. Pure. */
import { FIRST_LISTENER_FD, type InheritedListener, type RecorderBoot } from '../protocol.ts';
import { type FlightRecorder, RECORD_MS } from './flight-recorders.ts';
import type { Listener } from './listener.ts';

/**
 * Threads accept on unix sockets themselves, for only TCP connections can be handed to them. Each needs a descriptor of
 * its own, which is gone with it; this many replacements a worker can start before it must be recycled.
 */
const SPARE = 16;

export interface Inheritance {
  /** What stands in `stdio` from FIRST_LISTENER_FD on. */
  readonly fds: readonly number[];
  readonly listeners: readonly InheritedListener[];
  readonly recorder?: RecorderBoot;
}

/** @param threads 0 = the worker's main thread serves */
export function inherit(
  listeners: readonly Listener[],
  threads: number,
  recorder?: Pick<FlightRecorder, 'fd'>,
): Inheritance {
  const fds: number[] = [];
  const copyOf = (fd: number): number => FIRST_LISTENER_FD + fds.push(fd) - 1;
  const inherited = listeners.map(({ kind, shown, fd }) => {
    const copies = kind === 'unix' && threads > 0 ? threads + SPARE : 1;
    return { kind, shown, claimFd: copyOf(fd), acceptFds: Array.from({ length: copies }, () => copyOf(fd)) };
  });
  if (!recorder) return { fds, listeners: inherited };
  return { fds, listeners: inherited, recorder: { fd: copyOf(recorder.fd), region: 0, forMs: RECORD_MS } };
}
