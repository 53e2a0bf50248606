import fc from 'fast-check';
import t from 'tap';
import { decodeFlights, encodeFlight, SLOT_BYTES } from '../../src/flight-record.ts';
import { FlightRecorder } from '../../src/supervisor/flight-recorders.ts';
import { FlightRegions, openLedger } from '../../src/worker/flight-recorder.ts';

/** What an HTTP parser lets through. */
const urls = fc.string({
  unit: fc.integer({ min: 33, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 400,
});

t.test('what was written is read, cut where it is long', async () => {
  fc.assert(
    fc.property(fc.array(urls, { maxLength: 20 }), (some) => {
      const record = Buffer.alloc(some.length * SLOT_BYTES);
      some.forEach((url, n) =>
        encodeFlight(record.subarray(n * SLOT_BYTES, (n + 1) * SLOT_BYTES), 1000 + n, 'GET', `/${url}`),
      );
      const seen = decodeFlights(record, 3000);
      return some.every((url, n) => `GET /${url}`.startsWith(seen[n]?.text ?? '?') && seen[n]?.ageMs === 2000 - n);
    }),
  );
});

const names = (recorder: FlightRecorder): string[] => recorder.read().map(({ text }) => text);

t.test('a recording ledger: what is in flight stands in the file, what has ended does not', async (t) => {
  const recorder = new FlightRecorder();
  t.teardown(() => recorder.close());
  t.same(names(recorder), []);
  const ledger = openLedger({ fd: recorder.fd, region: 1, forMs: 60_000 });
  const one = ledger.requestBegins('GET', '/one', performance.now());
  const two = ledger.requestBegins('POST', '/two?x=1', performance.now());
  t.same(names(recorder), ['GET /one', 'POST /two?x=1']);
  ledger.requestEnds(one);
  t.same(names(recorder), ['POST /two?x=1']);
  const three = ledger.requestBegins('GET', '/3', performance.now());
  t.same(new Set(names(recorder)), new Set(['GET /3', 'POST /two?x=1']), 'a shorter one in the same slot');
  for (const slot of [two, three]) ledger.requestEnds(slot);
  t.same(names(recorder), []);
});

t.test('it records for its time; what has begun in it ends in the file, too', async (t) => {
  const recorder = new FlightRecorder();
  t.teardown(() => recorder.close());
  const ledger = openLedger({ fd: recorder.fd, region: 0, forMs: 60_000 });
  const early = ledger.requestBegins('GET', '/early', performance.now());
  ledger.requestBegins('GET', '/late', performance.now() + 60_001);
  t.same(names(recorder), ['GET /early']);
  ledger.requestEnds(early);
  t.same(names(recorder), []);
});

t.test('threads have regions of their own; what a dead one had in flight is forgotten', async (t) => {
  const recorder = new FlightRecorder();
  t.teardown(() => recorder.close());
  const regions = new FlightRegions({ fd: recorder.fd, region: 0, forMs: 60_000 });
  const [first, second] = [regions.take(), regions.take()];
  t.not(first?.region, second?.region);
  openLedger(first).requestBegins('GET', '/first', performance.now());
  openLedger(second).requestBegins('GET', '/second', performance.now());
  regions.release(first);
  t.same(names(recorder), ['GET /second']);
  t.equal(regions.take()?.region, first?.region, 'used again');
  t.equal(new FlightRegions(undefined).take(), undefined, 'none in normal operation');
});
