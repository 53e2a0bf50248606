/** Starts worker processes by node:cluster. Lives in the supervisor; knows how a worker inherits its descriptors. */
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { fs } from '../builtins.ts';
import type { Account } from './account.ts';
import type { Inheritance } from './inheritance.ts';

// The same ending as this file has: .ts in the checkout, .js in the package.
const ENDING = import.meta.filename.slice(-3);
const ENTRY = fileURLToPath(new URL(`../worker/main${ENDING}`, import.meta.url));

/** In the checkout the app's `import 'tricorn'` must reach the sources (package.json, "exports"). */
const CONDITIONS = ENDING === '.ts' ? ['--conditions=tricorn-source'] : [];

export interface SpawnOptions extends Pick<Inheritance, 'fds'> {
  /** Whose rights it gets; undefined: the supervisor's. */
  readonly account?: Account | undefined;
  /** Where it runs. */
  readonly folder: string;
  /** Of V8. Default: none. Those that Tricorn itself was started with come after them, and win. */
  readonly flags?: readonly string[];
}

/**
 * Forks one worker process.
 *
 * Its `stdio` has, after the IPC channel, the lifeline (LIFELINE_FD) and then the descriptors of the listeners
 * (FIRST_LISTENER_FD ...).
 */
export function spawnWorker({ fds, account, folder, flags = [] }: SpawnOptions): Worker {
  cluster.setupPrimary({
    exec: ENTRY,
    // A folder that is swapped by a deploy must not keep the next worker from starting.
    cwd: fs.existsSync(folder) ? folder : '/',
    // SIGUSR1 means statistics here; Node would open its debugging port.
    execArgv: [...flags, ...process.execArgv.filter(isNoDebugger), ...CONDITIONS, '--disable-sigusr1'],
    args: [],
    ...account,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', 'pipe', ...fds],
  });
  return cluster.fork({ NODE_OPTIONS: (process.env['NODE_OPTIONS'] ?? '').split(' ').filter(isNoDebugger).join(' ') });
}

/** Workers would open debugging ports of their own, next to the supervisor's and maybe on the service's. */
export function isNoDebugger(option: string): boolean {
  return !option.startsWith('--inspect');
}
