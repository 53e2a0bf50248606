/**
 * A thread that takes the stack of its main thread as often as it is told, prints each, and counts them in shared
 * memory. Like the monitor it stays: Node 26.10 aborts where a thread ends while its inspector session is being closed.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { mainThreadStack } from '../../../src/worker/stacks.ts';

const { done, times } = workerData as { done: Int32Array; times: number };

parentPort?.postMessage('watching');
if (parentPort) await once(parentPort, 'message');
for (let time = 0; time < times; time += 1) {
  writeSync(1, `${JSON.stringify(await mainThreadStack(false))}\n`);
  Atomics.add(done, 0, 1);
}
parentPort?.on('message', () => {}).postMessage('through');
