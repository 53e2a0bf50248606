import t from 'tap';
import { Histogram } from '../../../src/canary/histogram.ts';
import { figuresFields, figuresText, judge, type Figures } from '../../../src/canary/verdict.ts';
import { Random } from '../../support/load/content.ts';

function figures({ errors = 0, times = [] as readonly number[], blocked = 0 } = {}): Figures {
  const latencies = new Histogram();
  for (const ms of times) latencies.add(ms);
  return { requests: times.length + errors, errors, latencies, blocked };
}

const times = (count: number, ms = 10): number[] => Array.from({ length: count }, () => ms);

t.test('the same is good', async (t) => {
  t.same(judge(figures({ times: times(100) }), figures({ times: times(400) })), { is: 'good', worse: '' });
});

t.test('errors: so many more that it is no chance', async (t) => {
  const old = figures({ times: times(400) });
  const bad = judge(figures({ times: times(90), errors: 10 }), old);
  t.same(bad, { is: 'bad', worse: 'error rate 10 % (10 of 100), before 0 % (0 of 400)' });
  t.equal(judge(figures({ times: times(20), errors: 4 }), old).is, 'good', 'too few to be a pattern');
  t.equal(judge(figures({ times: times(9991), errors: 9 }), old).is, 'good', 'less than a percentage point');
  const unwell = figures({ times: times(380), errors: 20 });
  t.equal(judge(figures({ times: times(94), errors: 6 }), unwell).is, 'good', 'the old ones err as often');
  t.equal(judge(figures({ times: times(70), errors: 30 }), unwell).is, 'bad');
});

t.test('p95: over 1.5 times and 5 ms more, by more than chance', async (t) => {
  const old = figures({ times: times(400, 10) });
  t.equal(judge(figures({ times: times(100, 19) }), old).is, 'good', '1.9 times, but only 9 ms');
  t.match(judge(figures({ times: times(100, 40) }), old), { is: 'bad', worse: /^p95 4\d ms, before 10 ms$/ });
  t.equal(judge(figures({ times: [...times(93), ...times(7, 40)] }), old).is, 'good', '7 % may be chance');
  t.equal(judge(figures({ times: [...times(80), ...times(20, 40)] }), old).is, 'bad');
  t.equal(judge(figures({ times: times(100, 40) }), figures({ times: times(5) })).is, 'bad', 'however few the old has');
  t.equal(judge(figures({ times: times(100, 40) }), figures({ times: times(4) })).is, 'unknown', 'too few of the old');
});

t.test('with too little traffic nothing is said', async (t) => {
  const some = figures({ times: times(100) });
  t.equal(judge(figures({ errors: 19 }), some).is, 'unknown');
  t.equal(
    judge(figures({ times: times(10), errors: 10 }), figures({ errors: 100 })).is,
    'unknown',
    'no times to compare',
  );
  t.equal(judge(some, figures()).is, 'unknown');
});

t.test('an event loop that is blocked, where none of the old is', async (t) => {
  const blocked = figures({ blocked: 1 });
  t.same(judge(blocked, figures()), { is: 'bad', worse: 'an event loop is blocked' });
  t.equal(judge(blocked, blocked).is, 'unknown', 'then it is so that the app works');
});

t.test('two copies of one version are told apart in less than 1 of 200 reloads', async (t) => {
  const random = new Random(1);
  const uniform = (): number => (random.uint32() + 0.5) / 2 ** 32;
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  // As of real sites: log-normal with a long tail, and 1 % errors.
  const sample = (count: number): Figures => {
    const all = Array.from({ length: count }, () => 20 * Math.exp(normal()));
    return figures({
      times: all.slice(Math.round(all.length * 0.01)),
      errors: all.filter(() => uniform() < 0.01).length,
    });
  };
  let bad = 0;
  for (let reload = 0; reload < 1000; reload += 1) {
    if (judge(sample(random.int(20, 1000)), sample(random.int(20, 1000))).is === 'bad') bad += 1;
  }
  t.comment(`${bad} of 1000`);
  t.ok(bad < 5, `${bad} of 1000`);
});

t.test('figures for people and for machines', async (t) => {
  const some = figures({ times: times(199, 1), errors: 1 });
  t.equal(figuresText(some), 'p95 1 ms, errors 0.5 % (1 of 200)');
  t.match(figuresFields(some), { requests: 200, errors: 1, error_rate: 0.005, p95_ms: 1.03 });
  t.equal(figuresText(figures()), 'p95 unknown, errors 0 % (0 of 0)');
});
