import fc from 'fast-check';
import t from 'tap';
import { Ledger } from '../../../src/worker/ledger.ts';
import { leastBusy } from '../../../src/worker/least-busy.ts';

interface Candidate {
  readonly ledger: { readonly inflight: number; readonly connections: number };
}

function candidate(inflight: number, connections: number): Candidate {
  return { ledger: { inflight, connections } };
}

/** The same, as one would first write it: a stable sort by both keys. */
function reference(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.toSorted(
    ({ ledger: a }, { ledger: b }) => a.inflight - b.inflight || a.connections - b.connections,
  )[0];
}

t.test('nobody takes it where there is nobody', async (t) => {
  t.equal(leastBusy([]), undefined);
});

t.test('requests in flight count first, then connections, then the order', async (t) => {
  const [idle, kept, busy] = [candidate(0, 3), candidate(0, 9), candidate(1, 1)];
  t.equal(leastBusy([busy, kept, idle]), idle);
  t.equal(leastBusy([busy, kept]), kept);
  const twin = candidate(0, 3);
  t.equal(leastBusy([busy, twin, idle]), twin);
});

t.test('it is who a stable sort puts first', async () => {
  // Few different values, for many ties.
  const candidates = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })), { maxLength: 10 });
  fc.assert(
    fc.property(candidates, (pairs) => {
      const all = pairs.map(([inflight, connections]) => candidate(inflight, connections));
      return leastBusy(all) === reference(all);
    }),
  );
});

t.test('a burst spreads: what was handed over counts at once', async (t) => {
  const loops = [1, 2, 3].map(() => ({ ledger: new Ledger() }));
  for (let connection = 0; connection < 9; connection += 1) leastBusy(loops)?.ledger.connectionBegins();
  t.same(
    loops.map(({ ledger }) => ledger.connections),
    [3, 3, 3],
  );
});

t.test('any iterable will do', async (t) => {
  const only = candidate(5, 5);
  t.equal(leastBusy(new Set([only])), only);
});
