import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { LoopCounters } from '../../../src/worker/counters.ts';

const ROUNDS = 1_000_000;
const SOURCE = JSON.stringify(new URL('../../../src/worker/counters.ts', import.meta.url).href);

t.test('requests and connections are counted apart', async (t) => {
  const counters = new LoopCounters();
  counters.connectionBegins();
  counters.connectionBegins();
  counters.requestBegins();
  counters.requestBegins();
  counters.requestBegins();
  counters.requestEnds();
  counters.connectionEnds();
  t.match(counters, { inflight: 2, connections: 1, requests: 3 });
});

t.test('two views of one buffer see the same', async (t) => {
  const written = new LoopCounters();
  const read = new LoopCounters(written.buffer);
  written.requestBegins();
  written.connectionBegins();
  t.match(read, { inflight: 1, connections: 1, requests: 1 });
  t.match(new LoopCounters(), { inflight: 0, connections: 0, requests: 0 }, 'another buffer is not concerned');
});

t.test('requests go on counting beyond 2^31 and wrap at 2^32', async (t) => {
  const counters = new LoopCounters();
  const cells = new Int32Array(counters.buffer);
  const requests = cells.findIndex((_, index) => isRequests(index));
  cells[requests] = 2 ** 31 - 1;
  counters.requestBegins();
  t.equal(counters.requests, 2 ** 31);
  cells[requests] = -1;
  t.equal(counters.requests, 2 ** 32 - 1);
  counters.requestBegins();
  t.equal(counters.requests, 0);
});

/** Whether the cell of that index is the one that only ever grows. */
function isRequests(index: number): boolean {
  const probe = new LoopCounters();
  probe.requestBegins();
  probe.requestEnds();
  return new Int32Array(probe.buffer)[index] === 1;
}

t.test('connections: two threads write at once and none is lost', async (t) => {
  const counters = new LoopCounters();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const ends = `
    const { parentPort, workerData: { buffer, gate } } = require('node:worker_threads');
    import(${SOURCE}).then(({ LoopCounters }) => {
      const counters = new LoopCounters(buffer);
      parentPort.postMessage('ready');
      while (Atomics.load(gate, 0) === 0);
      for (let round = 0; round < ${ROUNDS}; round += 1) counters.connectionEnds();
    });`;
  const thread = new Worker(ends, { eval: true, workerData: { buffer: counters.buffer, gate } });
  const ended = once(thread, 'exit');
  await once(thread, 'message');
  Atomics.store(gate, 0, 1);
  for (let round = 0; round < ROUNDS; round += 1) counters.connectionBegins();
  t.same(await ended, [0]);
  t.equal(counters.connections, 0);
});
