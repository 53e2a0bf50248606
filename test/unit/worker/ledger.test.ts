import fc from 'fast-check';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import t from 'tap';
import { Ledger } from '../../../src/worker/ledger.ts';

const HOUR = 3_600_000;

t.test('counters and entries are seen through another view of the same memory', async (t) => {
  const loop = new Ledger();
  loop.open();
  const watcher = new Ledger(loop.buffer);
  const slot = loop.requestBegins('GET', '/a?b=1', performance.now() - 5000);
  loop.requestBegins('POST', '/later', performance.now());
  t.equal(watcher.inflight, 2);
  t.equal(watcher.requests, 2);
  t.same(
    watcher.entries().map(({ text }) => text),
    ['GET /a?b=1', 'POST /later'],
    'the oldest first',
  );
  t.ok((watcher.entries()[0]?.ageMs ?? 0) >= 5000);
  loop.requestEnds(slot);
  t.same(
    watcher.entries().map(({ text }) => text),
    ['POST /later'],
  );
  t.equal(watcher.inflight, 1);
  loop.beat();
  t.equal(watcher.beats, 1);
});

t.test('ages hold across threads, whose clocks begin at different moments', async (t) => {
  const ledger = new Ledger();
  const url = new URL('../../../src/worker/ledger.ts', import.meta.url).href;
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(${JSON.stringify(url)}).then(({ Ledger }) => {
      const ledger = new Ledger(workerData);
      ledger.open();
      ledger.requestBegins('GET', '/thread', performance.now() - 60_000);
      parentPort.postMessage('done');
    });`;
  const thread = new Worker(code, { eval: true, workerData: ledger.buffer });
  await once(thread, 'message');
  const age = ledger.entries()[0]?.ageMs ?? 0;
  await thread.terminate();
  t.ok(age >= 60_000 && age < 120_000, `${age}`);
});

t.test('a long URL is cut, more requests than there are slots are counted', async (t) => {
  const ledger = new Ledger();
  ledger.open();
  const slots = Array.from({ length: 1000 }, () =>
    ledger.requestBegins('GET', `/${'x'.repeat(5000)}`, performance.now()),
  );
  t.equal(ledger.inflight, 1000);
  t.ok(ledger.entries().length >= 100);
  t.ok(ledger.entries().every(({ text }) => text.startsWith('GET /xxx') && text.length < 300));
  for (const slot of slots) ledger.requestEnds(slot);
  t.same(ledger.entries(), []);
  t.equal(ledger.inflight, 0);
});

t.test('any order of begins and ends leaves exactly the open ones', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { maxLength: 200 }), (steps) => {
      const ledger = new Ledger();
      ledger.open();
      const open = new Map<number, number>();
      for (const step of steps) {
        const slot = open.get(step);
        if (slot === undefined) open.set(step, ledger.requestBegins('GET', `/${step}`, performance.now()));
        else {
          ledger.requestEnds(slot);
          open.delete(step);
        }
      }
      const seen = ledger
        .entries()
        .map(({ text }) => text)
        .toSorted();
      return (
        seen.join() ===
        Array.from(open.keys(), (step) => `GET /${step}`)
          .toSorted()
          .join()
      );
    }),
  );
});

t.test('a job has until its deadline, as seen by whoever has the memory; without one, for ever', async (t) => {
  const ledger = new Ledger();
  ledger.open();
  const seen = new Ledger(ledger.buffer);
  t.equal(seen.leftMs, Infinity);
  ledger.jobEndsBy(performance.now() + 10 * HOUR);
  t.ok(seen.leftMs > 9 * HOUR && seen.leftMs <= 10 * HOUR);
  ledger.jobEndsBy(performance.now() - 1);
  t.ok(seen.leftMs < 0);
  ledger.jobEndsBy(Infinity);
  t.equal(seen.leftMs, Infinity);
});
