/**
 * A thread that takes the stack of its main thread as often as it is told, prints each, and counts them in shared
 * memory. Like the monitor it stays: Node 26.10 aborts where a thread ends while its inspector session is being closed.
 */
import { readFileSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { mainThreadStack } from '../../../src/worker/stacks.ts';

const { shared, times } = workerData as { shared: Int32Array; times: number };
const [DONE, BEGUN] = [0, 1];
/** What `shared[BEGUN]` is set to by a main thread that will be idle next. */
const SLEEPS_SOON = 2;

/** Busy as the machine may be: what a thread is about to do it may do much later. */
function mainSleeps(): boolean {
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('S');
}

parentPort?.postMessage('watching');
while (Atomics.load(shared, BEGUN) === 0) await turn();
while (Atomics.load(shared, BEGUN) === SLEEPS_SOON && !mainSleeps()) await turn();
for (let time = 0; time < times; time += 1) {
  writeSync(1, `${JSON.stringify(await mainThreadStack(false))}\n`);
  Atomics.add(shared, DONE, 1);
}
parentPort?.on('message', () => {}).postMessage('through');
