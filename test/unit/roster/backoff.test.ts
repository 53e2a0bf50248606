import fc from 'fast-check';
import t from 'tap';
import { Backoff } from '../../../src/roster/backoff.ts';

const MOST_MS = 30_000;
const LONG_LIFE_MS = 30_000;

/** A random number as Math.random yields it: 1 is never reached. */
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** The waits after `deaths` deaths in a row of something that was never ready. */
function waits(backoff: Backoff, deaths: number): number[] {
  return Array.from({ length: deaths }, () => backoff.next(0));
}

t.test('the first death costs nothing, then the ceiling doubles up to half a minute', async (t) => {
  const atCeiling = new Backoff(() => 1);
  t.same(waits(atCeiling, 12), [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, MOST_MS, MOST_MS]);
});

t.test('full jitter: any share of the ceiling', async (t) => {
  t.same(waits(new Backoff(() => 0.25), 4), [0, 25, 50, 100]);
  t.same(waits(new Backoff(() => 0), 4), [0, 0, 0, 0]);
});

t.test('a life of half a minute clears the record, a shorter one does not', async (t) => {
  const backoff = new Backoff(() => 1);
  waits(backoff, 4);
  t.equal(backoff.next(LONG_LIFE_MS - 1), 800);
  t.equal(backoff.next(LONG_LIFE_MS), 0);
  t.same(waits(backoff, 2), [100, 200], 'and it begins anew');
});

t.test('whatever the lives were like, a wait lies within its ceiling', async () => {
  const lives = fc.array(fc.tuple(fc.nat({ max: 2 * LONG_LIFE_MS }), randoms), { maxLength: 60 });
  fc.assert(
    fc.property(lives, (deaths) => {
      let random = 0;
      let inARow = 0;
      const backoff = new Backoff(() => random);
      return deaths.every(([lived, share]) => {
        random = share;
        inARow = lived >= LONG_LIFE_MS ? 1 : inARow + 1;
        const ceiling = inARow === 1 ? 0 : Math.min(MOST_MS, 100 * 2 ** (inARow - 2));
        return backoff.next(lived) === ceiling * share;
      });
    }),
  );
});

t.test('it stays bounded for ever', async (t) => {
  const backoff = new Backoff(() => 1);
  t.equal(waits(backoff, 5000).at(-1), MOST_MS);
});

t.test('without a source of random numbers, many do not come back in step', async (t) => {
  const second = Array.from({ length: 20 }, () => waits(new Backoff(), 2)[1]);
  t.ok(second.every((wait) => wait !== undefined && wait >= 0 && wait < 100));
  t.ok(new Set(second).size > 1);
});
