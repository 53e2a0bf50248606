import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Ledger } from '../../../src/worker/ledger.ts';

const ROUNDS = 1_000_000;
const SOURCE = JSON.stringify(new URL('../../../src/worker/ledger.ts', import.meta.url).href);

t.test('requests and connections are counted apart', async (t) => {
  const counters = new Ledger();
  counters.connectionBegins();
  counters.connectionBegins();
  counters.requestBegins('GET', '/', 0);
  counters.requestBegins('GET', '/', 0);
  counters.requestBegins('GET', '/', 0);
  counters.requestEnds();
  counters.connectionEnds();
  t.match(counters, { inflight: 2, connections: 1, requests: 3 });
});

t.test('two views of one buffer see the same', async (t) => {
  const written = new Ledger();
  const read = new Ledger(written.buffer);
  written.requestBegins('GET', '/', 0);
  written.connectionBegins();
  t.match(read, { inflight: 1, connections: 1, requests: 1 });
  t.match(new Ledger(), { inflight: 0, connections: 0, requests: 0 }, 'another buffer is not concerned');
});

t.test('requests go on counting beyond 2^31 and wrap at 2^32', async (t) => {
  const counters = new Ledger();
  const cells = new Int32Array(counters.buffer, 0, 64);
  const requests = cells.findIndex((_, index) => isRequests(index));
  cells[requests] = 2 ** 31 - 1;
  counters.requestBegins('GET', '/', 0);
  t.equal(counters.requests, 2 ** 31);
  cells[requests] = -1;
  t.equal(counters.requests, 2 ** 32 - 1);
  counters.requestBegins('GET', '/', 0);
  t.equal(counters.requests, 0);
});

/** Whether the cell of that index is the one that only ever grows. */
function isRequests(index: number): boolean {
  const probe = new Ledger();
  probe.requestEnds(probe.requestBegins('GET', '', 0));
  // Nothing but the count of requests is 1: the slot's text is its own length.
  return new Int32Array(probe.buffer, 0, 64)[index] === 1;
}

t.test('connections: two threads write at once and none is lost', async (t) => {
  const counters = new Ledger();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const ends = `
    const { parentPort, workerData: { buffer, gate } } = require('node:worker_threads');
    import(${SOURCE}).then(({ Ledger }) => {
      const counters = new Ledger(buffer);
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
