/**
 * The descriptors of unix sockets that the threads of a worker accept on. Lives in the main thread. A descriptor is used
 * once: it is closed with the thread that has it.
 */
import { closeSync } from 'node:fs';
import type { AcceptFrom, InheritedListener } from '../protocol.ts';

export class Descriptors {
  readonly #stocks: readonly { readonly shown: string; readonly fds: number[] }[];

  constructor(listeners: readonly InheritedListener[]) {
    const unix = listeners.filter(({ kind }) => kind === 'unix');
    this.#stocks = unix.map(({ shown, acceptFds }) => ({ shown, fds: [...acceptFds] }));
  }

  /** One of each socket, as far as there are any. */
  take(): AcceptFrom[] {
    return this.#stocks.flatMap(({ fds }) => {
      const fd = fds.shift();
      return fd === undefined ? [] : [{ kind: 'unix' as const, fd }];
    });
  }

  /** The socket that has none left for one more thread; undefined where all have. */
  get spent(): string | undefined {
    return this.#stocks.find(({ fds }) => fds.length === 0)?.shown;
  }

  /** Lets go of those that nobody took: while they are open, the kernel goes on queueing. */
  close(): void {
    for (const { fds } of this.#stocks) for (const fd of fds.splice(0)) closeSync(fd);
  }
}
