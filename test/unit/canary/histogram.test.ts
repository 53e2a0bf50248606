import fc from 'fast-check';
import t from 'tap';
import { Histogram } from '../../../src/canary/histogram.ts';

function of(times: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of times) histogram.add(ms);
  return histogram;
}

t.test('a quantile is exact to 5 %, whatever was added', async (t) => {
  const times = fc.array(fc.double({ min: 0.05, max: 250_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
      const exact = all.toSorted((a, b) => a - b)[Math.ceil(all.length * share) - 1] ?? 0;
      const seen = of(all).quantile(share);
      return seen >= exact * 0.999_999 && seen <= exact * 1.050_001;
    }),
  );
  t.pass();
});

t.test('above a limit counts none that is below it, and all that are 5 % over it', async (t) => {
  const histogram = of([1, 1, 10, 100, 100]);
  t.equal(histogram.above(0.001), 5);
  t.equal(histogram.above(5), 3);
  t.equal(histogram.above(10), 2, 'those in the bucket of the limit do not count');
  t.equal(histogram.above(1000), 0);
});

t.test('the counts of several loops put together are those of one', async (t) => {
  const both = new Histogram();
  for (const part of [of([1, 2]), of([3, 400])]) both.merge([...part.counts]);
  t.same(both.counts, of([1, 2, 3, 400]).counts);
  t.equal(both.total, 4);
});

t.test('what is out of range is in the first or the last bucket; an empty one has no quantile', async (t) => {
  const histogram = of([0, 1e9]);
  t.ok(histogram.quantile(0.5) <= 0.05);
  t.ok(histogram.quantile(1) > 250_000);
  t.equal(new Histogram().quantile(0.95), 0);
});
