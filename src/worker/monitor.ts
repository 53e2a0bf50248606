/**
 * Entry of the monitor thread: in prefork and evented mode it watches the main thread of its worker process from
 * outside. It never runs app code.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { guardMemory } from '../limits/memory-guard.ts';
import { memoryLimits } from '../limits/wear.ts';
import { nameRequests } from '../log/requests.ts';
import { openSupervisorLog } from '../log/supervisor-log.ts';
import type { WorkerBoot } from '../protocol.ts';
import { watchLimits } from '../watchdog/limits.ts';
import { Watchdog } from '../watchdog/watchdog.ts';
import { Ledger } from './ledger.ts';
import { holdLifeline } from './lifeline.ts';
import { mainThreadStack } from './stacks.ts';
import { Terms } from './terms.ts';

export interface MonitorBoot {
  readonly boot: WorkerBoot;
  readonly ledger: SharedArrayBuffer;
}

const { boot, ledger } = workerData as MonitorBoot;
const { role, worker, generation, config } = boot;
const { log, flushSync, setLevel } = openSupervisorLog(config, { role, worker, generation }, true);
const terms = new Terms(config);

const watched = new Ledger(ledger);
const lifeline = holdLifeline(
  async () => [{ thread: 0, ...(await mainThreadStack(false)), ...nameRequests(watched.entries()) }],
  (settings) => terms.change(settings),
);

const watchdog = new Watchdog(
  {
    name: `worker ${worker}`,
    ledger: watched,
    runsJobs: role === 'cron',
    cpuMs: mainThreadCpuMs,
    ask: () => lifeline.tell({ type: 'stuck' }),
    stack: () => mainThreadStack(true),
    blame: (request) => lifeline.tell({ type: 'blame', request }),
    kill: killProcess,
  },
  log,
);

guardMemory(
  {
    name: `worker ${worker}`,
    inflight: () => watched.entries(),
    recycle: (reason) => lifeline.tell({ type: 'worn', reason }),
    kill: killProcess,
  },
  () => memoryLimits(terms.config, role),
  log,
);

terms.follow((now) => {
  setLevel(now.log_level);
  watchdog.watch(watchLimits(now, role));
});

// All its modules are loaded: that may need a descriptor, and clients can take the last one as soon as they are let in.
parentPort?.postMessage('watching');

function killProcess(): void {
  // Read from the channel before the death is seen, so that it is known for a kill.
  lifeline.tell({ type: 'killed' });
  flushSync();
  process.kill(process.pid, 'SIGKILL');
}

/** Of the whole process but this thread; what Node's own helpers use is small beside a loop that is stuck. */
function mainThreadCpuMs(): number {
  const all = process.cpuUsage();
  const own = process.threadCpuUsage();
  return (all.user + all.system - own.user - own.system) / 1000;
}
