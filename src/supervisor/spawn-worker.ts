/** Starts worker processes by node:cluster. Lives in the supervisor; knows how a worker inherits its descriptors. */
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { FIRST_LISTENER_FD, type InheritedListener } from '../protocol.ts';
import type { Listener } from './listener.ts';

// The same ending as this file has: .ts in the checkout, .js in the package.
const ENDING = import.meta.filename.slice(-3);
const ENTRY = fileURLToPath(new URL(`../worker/main${ENDING}`, import.meta.url));

/** In the checkout the app's `import 'tricorn'` must reach the sources (package.json, "exports"). */
const CONDITIONS = ENDING === '.ts' ? ['--conditions=tricorn-source'] : [];

/**
 * Forks one worker process.
 *
 * Its `stdio` has, after the IPC channel, the lifeline (LIFELINE_FD) and then every listener twice
 * (FIRST_LISTENER_FD ...): see InheritedListener.
 */
export function spawnWorker(listeners: readonly Listener[]): Worker {
  cluster.setupPrimary({
    exec: ENTRY,
    // SIGUSR1 means statistics here; Node would open its debugging port.
    execArgv: [...process.execArgv, ...CONDITIONS, '--disable-sigusr1'],
    args: [],
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', 'pipe', ...listeners.flatMap(({ fd }) => [fd, fd])],
  });
  return cluster.fork();
}

/** The descriptor numbers under which a worker finds what spawnWorker gave it. */
export function inheritedListeners(listeners: readonly Listener[]): InheritedListener[] {
  return listeners.map((_, index) => {
    const claimFd = FIRST_LISTENER_FD + 2 * index;
    return { claimFd, acceptFd: claimFd + 1 };
  });
}
