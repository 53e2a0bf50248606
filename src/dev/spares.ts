/**
 * With dev = reload: worker processes that have loaded everything but the app, for the next generation. A reload then takes
 * the time of the app alone. Lives in the supervisor.
 */
import type { Worker } from 'node:cluster';
import type { CommonServer } from '../common-server.ts';
import type { WorkerBoot } from '../protocol.ts';
import { onceAwake } from '../supervisor/awake.ts';
import { describeWorker, type Premises } from '../supervisor/launch.ts';
import { spawnWorker } from '../supervisor/spawn-worker.ts';

interface Spare {
  readonly worker: Worker;
  /** The boot message that it is good for. */
  readonly good: string;
}

export class Spares {
  readonly #spares = new Set<Spare>();

  /** In place of those that are left: as many as serve now. @param generation the number of the next one */
  prepare(current: CommonServer, generation: number, premises: Premises): void {
    this.end();
    const { loaded, folder, staff } = current;
    const form = current.workers.ready[0]?.form ?? '';
    for (let number = 1; number <= staff; number += 1) {
      const { boot, spawn } = describeWorker({ loaded, generation, folder }, current.post(number), premises);
      const worker = spawnWorker(spawn);
      // A spare that failed is missed by nobody.
      worker.on('error', () => {});
      onceAwake(worker, () => worker.send({ ...boot, warmFor: form }, () => {}));
      this.#spares.add({ worker, good: JSON.stringify(boot) });
    }
  }

  /** The one that was made for exactly this, so that it needs nothing but the same message once more. */
  take(boot: WorkerBoot): Worker | undefined {
    const wanted = JSON.stringify(boot);
    for (const spare of this.#spares) {
      if (spare.good !== wanted || !spare.worker.isConnected()) continue;
      this.#spares.delete(spare);
      return spare.worker;
    }
    return undefined;
  }

  end(): void {
    for (const { worker } of this.#spares) worker.process.kill('SIGKILL');
    this.#spares.clear();
  }
}
