/** Starts worker processes by node:cluster. Lives in the supervisor; knows how a worker inherits its descriptors. */
import cluster, { type Worker } from 'node:cluster';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FIRST_LISTENER_FD, type InheritedListener } from '../protocol.ts';
import type { Listener } from './listener.ts';

// The same ending as this file has: .ts in the checkout, .js in the package.
const ENDING = import.meta.filename.slice(-3);
const ENTRY = fileURLToPath(new URL(`../worker/main${ENDING}`, import.meta.url));

/** Where the supervisor was started. */
const CWD = process.cwd();

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
    // A folder that is swapped by a deploy must not keep the next worker from starting.
    cwd: existsSync(CWD) ? CWD : '/',
    // SIGUSR1 means statistics here; Node would open its debugging port.
    execArgv: [...process.execArgv.filter(isNoDebugger), ...CONDITIONS, '--disable-sigusr1'],
    args: [],
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', 'pipe', ...listeners.flatMap(({ fd }) => [fd, fd])],
  });
  return cluster.fork({ NODE_OPTIONS: (process.env['NODE_OPTIONS'] ?? '').split(' ').filter(isNoDebugger).join(' ') });
}

/** Workers would open debugging ports of their own, next to the supervisor's and maybe on the service's. */
function isNoDebugger(option: string): boolean {
  return !option.startsWith('--inspect');
}

/** The descriptor numbers under which a worker finds what spawnWorker gave it. */
export function inheritedListeners(listeners: readonly Listener[]): InheritedListener[] {
  return listeners.map((_, index) => {
    const claimFd = FIRST_LISTENER_FD + 2 * index;
    return { claimFd, acceptFd: claimFd + 1 };
  });
}
