/** A supervisor lives for years: what it remembers of workers must not grow with how many there have been. */
import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { readdirSync } from 'node:fs';
import v8 from 'node:v8';
import vm from 'node:vm';
import t, { type Test } from 'tap';
import type { Config } from '../../../src/config/config.ts';
import { wrap } from '../../../src/protocol.ts';
import { Deaths } from '../../../src/supervisor/deaths.ts';
import { Readiness } from '../../../src/supervisor/readiness.ts';
import { watchPoison } from '../../../src/supervisor/poison-watch.ts';
import { WorkerHandle } from '../../../src/supervisor/worker-handle.ts';
import { Workers } from '../../../src/supervisor/workers.ts';
import { bootOf, configOf } from './support.ts';

const RESTARTS = 10_000;
const WARM_UP = 1000;
const MIB = 1024 * 1024;
const WANTED = 4;

/** What node:cluster's Worker is to the supervisor; its deaths are simulated, for ten thousand real ones take an hour. */
class SimulatedWorker extends EventEmitter {
  readonly process: object;

  constructor(pid: number) {
    super();
    this.process = { pid, stdio: [], kill: () => this.emit('exit', null, 'SIGKILL') };
  }

  isConnected(): boolean {
    return true;
  }

  send(_message: object, sent: () => void): void {
    sent();
  }
}

/** How workers end: each in its turn. */
const fates: readonly ((simulated: SimulatedWorker) => void)[] = [
  // Killed from outside, before or after its ready.
  (simulated) => simulated.emit('exit', null, 'SIGKILL'),
  // Ended by the app.
  (simulated) => simulated.emit('exit', 7, null),
  // Broken, and drained.
  (simulated) => {
    simulated.emit('message', wrap({ type: 'broken' }));
    simulated.emit('exit', 1, null);
  },
  // Worn, and never recycled, for it dies before.
  (simulated) => {
    simulated.emit('message', wrap({ type: 'worn', reason: 'age' }));
    simulated.emit('exit', 0, null);
  },
];

const nothing = (): void => {};
const log = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing, fatal: nothing };

function simulate(t: Test) {
  const config = configOf(t);
  const time = { now: 0 };
  const clock = (): number => time.now;
  const { workers, processes, started } = simulateWorkers(config, clock);
  watchPoison(workers, { threshold: () => 3, log, clock });
  const readiness = new Readiness({ workers, config, log, clock, isServing: () => true, onGivenUp: nothing });
  const live = (turn: number): void => {
    workers.keep(WANTED, time.now + 1000);
    for (const simulated of processes.values()) {
      simulated.emit('message', wrap({ type: 'awake' }));
      if (turn % 5 > 0) simulated.emit('message', wrap({ type: 'ready', form: 'simulated', jobs: 0 }));
      if (turn % 3 > 0) time.now += 20_000;
      fates[turn % fates.length]?.(simulated);
    }
    // Whatever the back-off, the next may start.
    time.now += 30_001;
  };
  return { live, workers, processes, readiness, started };
}

/** The real supervisor's view of workers that are simulated, with what it does when one dies. */
function simulateWorkers(config: Config, clock: () => number) {
  const deaths = new Deaths(log, clock);
  const processes = new Map<WorkerHandle, SimulatedWorker>();
  let pid = 0;
  const workers: Workers = new Workers({
    log,
    clock,
    launch: (worker) => {
      const simulated = new SimulatedWorker((pid += 1));
      const recorder = deaths.openRecorder();
      const handle = new WorkerHandle(simulated as unknown as Worker, bootOf(config, { worker }), clock);
      deaths.assign(handle, recorder);
      processes.set(handle, simulated);
      return handle;
    },
  });
  workers.on('gone', (handle, exit) => {
    deaths.report(handle, exit);
    deaths.bury(handle);
    processes.delete(handle);
  });
  return { workers, processes, started: () => pid };
}

function resources(): { readonly timers: number; readonly descriptors: number; readonly listeners: number } {
  return {
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    descriptors: readdirSync('/proc/self/fd').length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  };
}

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

function heap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

t.test(`over ${RESTARTS} restarts nothing grows: descriptors, timers, listeners, heap`, async (t) => {
  const { live, workers, processes, readiness, started } = simulate(t);
  let turn = 0;
  const until = (starts: number): void => {
    while (started() < starts) live((turn += 1));
  };
  until(WARM_UP);
  const before = { ...resources(), heap: heap() };
  until(RESTARTS);
  const { heap: heapBefore, ...counted } = before;
  t.same(resources(), counted);
  t.ok(heap() - heapBefore < MIB, `${((heap() - heapBefore) / MIB).toFixed(2)} MiB`);
  t.ok(processes.size <= WANTED && workers.size <= WANTED, 'those that are gone are forgotten');
  t.equal(readiness.isReady, workers.serving.length > 0);
  workers.stop();
});
