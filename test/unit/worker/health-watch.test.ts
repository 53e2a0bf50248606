import t from 'tap';
import type { Logger } from 'pino';
import { HealthWatch } from '../../../src/worker/health-watch.ts';

type Answer = boolean | void | Promise<boolean | void>;

/** A watch that asks when it is told to. */
function watch(limitMs = 60_000) {
  const told: boolean[] = [];
  const lines: string[] = [];
  const write = (...args: unknown[]): void => void lines.push(String(args.at(-1)));
  const log = { info: write, warn: write } as unknown as Logger;
  let asked = 0;
  const health = new HealthWatch({ ask: undefined, log, onChange: (healthy) => told.push(healthy), limitMs });
  const check = (answer: () => Answer): Promise<void> => {
    return health.check(() => {
      asked += 1;
      return answer();
    });
  };
  return { health, told, lines, check, asked: () => asked };
}

t.test('tells when the answer changes, and why', async (t) => {
  const { health, told, lines, check } = watch();
  t.equal(health.unhealthy, null);
  await check(() => true);
  await check(() => {});
  t.same(told, [], 'healthy is what it is taken for');
  await check(() => false);
  await check(() => Promise.resolve(false));
  t.equal(health.unhealthy, 'health() answered false');
  await check(() => Promise.reject(new Error('the database is away')));
  await check(() => {
    throw new TypeError('at once');
  });
  t.equal(health.unhealthy, 'health() failed: at once');
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- apps do that, too
  await check(() => Promise.reject(Object.create(null)));
  t.match(health.unhealthy, /^health\(\) failed: \[Object: null prototype\]/);
  t.same(told, [false], 'another reason is no change');
  await check(async () => true);
  t.same(told, [false, true]);
  t.equal(health.unhealthy, null);
  t.same(lines, [
    'The app is not healthy: health() answered false',
    'The app is not healthy: health() failed: the database is away',
    'The app is not healthy: health() failed: at once',
    'The app is not healthy: health() failed: [Object: null prototype] {}',
    'The app is healthy again',
  ]);
});

t.test('an answer that is neither true nor false is a mistake that shows', async (t) => {
  const { health, check } = watch();
  await check(() => ({ ok: false }) as unknown as boolean);
  t.equal(health.unhealthy, 'health() must answer true or false, not object');
});

t.test('an answer that is late is none until it comes; meanwhile the hook is not called again', async (t) => {
  const { health, check, asked, told } = watch(1);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  await check(() => promise);
  await check(() => promise);
  t.equal(health.unhealthy, 'health() has not answered within 0.001 s');
  t.equal(asked(), 1);
  resolve(true);
  await check(() => promise);
  t.equal(asked(), 1, 'the answer that has come is taken');
  t.same(told, [false, true]);
});

t.test('once stopped it tells nothing, also of an answer that is on its way', async (t) => {
  const { health, check, told, lines } = watch();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const checked = check(() => promise);
  health.stop();
  resolve(false);
  await checked;
  t.same(told, []);
  t.same(lines, []);
});

t.test('without the hook it starts at once', async (t) => {
  const { health } = watch();
  await health.start();
  t.equal(health.unhealthy, null);
});
