import t from 'tap';
import { CrashLoop } from '../../../src/roster/crash-loop.ts';

const time = { now: 0 };
const clock = (): number => time.now;

t.test('it begins with the limit-th failed start in a row, once', async (t) => {
  const loop = new CrashLoop({ limit: 3, clock });
  t.same(
    [1, 2, 3, 4].map(() => loop.failed(false)),
    [false, false, true, false],
  );
  t.equal(loop.isLooping, true);
});

t.test('whoever is ready ends it, and is told how long it was', async (t) => {
  time.now = 1000;
  const loop = new CrashLoop({ limit: 2, clock });
  loop.failed(false);
  time.now = 3500;
  loop.failed(false);
  loop.failed(false);
  time.now = 6000;
  t.same(loop.ready(), { starts: 3, ms: 5000 });
  t.equal(loop.isLooping, false);
  t.equal(loop.ready(), undefined);
  t.same(
    [1, 2].map(() => loop.failed(false)),
    [false, true],
    'it may begin anew',
  );
});

t.test('somebody ready in between or beside keeps it from beginning', async (t) => {
  const loop = new CrashLoop({ limit: 3, clock });
  for (let day = 0; day < 2880; day += 1) {
    // A worker that dies once every 30 s: its start never fails.
    time.now += 30_000;
    t.equal(loop.ready(), undefined);
  }
  for (let n = 0; n < 10; n += 1) t.equal(loop.failed(n % 2 === 0), false, 'another one is ready now and then');
});

t.test('0 = never', async (t) => {
  const loop = new CrashLoop({ limit: 0, clock });
  for (let n = 0; n < 100; n += 1) t.equal(loop.failed(false), false);
});
