/** Entry of every worker process. The supervisor's first message says what it is to be. */
import { toWireError } from '../errors.ts';
import { hideHeapFlags } from '../heap-flags.ts';
import { openLog } from '../log/open-log.ts';
import type { WorkerBoot } from '../protocol.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { leaveSignalsToSupervisor, tellOfUnheard } from './guard.ts';
import { HttpWorker, tell } from './http-worker.ts';
import { Terms } from './terms.ts';
import { giveWay } from './niceness.ts';

hideHeapFlags();
leaveSignalsToSupervisor();

process.on('exit', (code) => tell({ type: 'leaves', code }));

process.once('message', (boot: WorkerBoot) => {
  const { role, worker, generation, config, threads, warmFor } = boot;
  const title = `tricorn: ${role} worker ${worker} (generation ${generation}) ${config.app}`;
  process.title = warmFor === undefined ? title : `tricorn: spare worker for ${config.app}`;
  if (warmFor !== undefined) process.once('message', () => (process.title = title));
  if (role === 'cron') giveWay();
  try {
    const log = openLog(config, { role, worker, generation });
    if (threads === 0) tellOfUnheard(log, config);
    void new HttpWorker({ boot, terms: new Terms(config), log, onWorn: tellWorn }, loadEngine).run();
  } catch (error) {
    // The supervisor could open the logfile, this worker's user cannot.
    const wire = toWireError(error);
    tell({ type: 'fatal', error: wire }, () => process.exit(wire.exitCode));
  }
});
tell({ type: 'awake' });

/** Loaded only where needed: the main thread of a threaded worker never touches the app or its framework. */
async function loadEngine(options: EngineOptions): Promise<Engine> {
  if (options.boot.threads === 0) return new (await import('./single-loop.ts')).SingleLoop(options);
  return new (await import('./thread-pool.ts')).ThreadPool(options);
}

function tellWorn(reason: string): void {
  tell({ type: 'worn', reason });
}
