import t from 'tap';
import type { Logger } from 'pino';
import { HealthWatch } from '../../../src/worker/health-watch.ts';

type Answer = boolean | void | Promise<boolean | void>;

/** A watch that asks when it is told to. */
function watch() {
  const told: boolean[] = [];
  const lines: string[] = [];
  const write = (...args: unknown[]): void => void lines.push(String(args.at(-1)));
  const log = { info: write, warn: write } as unknown as Logger;
  const health = new HealthWatch({ ask: undefined, log, onChange: (healthy) => told.push(healthy), bootTimeout: 60 });
  const check = (answer: () => Answer): Promise<void> => health.check(answer, 60_000);
  return { health, told, lines, check };
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
  await check(() =>
    Promise.reject(new AggregateError([new Error('refused by ::1'), new Error('refused by 127.0.0.1')])),
  );
  t.equal(health.unhealthy, 'health() failed: refused by ::1');
  await check(() => Promise.reject(new RangeError()));
  t.equal(health.unhealthy, 'health() failed: RangeError');
  await check(async () => true);
  t.same(told, [false, true]);
  t.equal(health.unhealthy, null);
  t.same(lines, [
    'The app is not healthy: health() answered false',
    'The app is not healthy: health() failed: the database is away',
    'The app is not healthy: health() failed: at once',
    'The app is not healthy: health() failed: [Object: null prototype] {}',
    'The app is not healthy: health() failed: refused by ::1',
    'The app is not healthy: health() failed: RangeError',
    'The app is healthy again',
  ]);
});

t.test('an answer that is neither true nor false is a mistake that shows', async (t) => {
  const { health, check } = watch();
  await check(() => ({ ok: false }) as unknown as boolean);
  t.equal(health.unhealthy, 'health() must answer true or false, not object');
});

t.test('an answer that is late is none: whoever is asked is told so, and asked anew', async (t) => {
  const { health, told, lines } = watch();
  const signals: AbortSignal[] = [];
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const never = ({ signal }: { signal: AbortSignal }): Promise<boolean> => {
    signals.push(signal);
    return promise;
  };
  await health.check(never, 1);
  await health.check(never, 1);
  t.equal(health.unhealthy, 'health() has not answered within 0.001 s');
  t.match(signals, [{ aborted: true, reason: { name: 'TimeoutError' } }, { aborted: true }]);
  await health.check(() => false);
  resolve(true);
  await promise;
  t.equal(health.unhealthy, 'health() answered false', 'the answer that came late is not listened to');
  await health.check(() => true);
  t.same(told, [false, true]);
  t.equal(lines.length, 3);
});

t.test('one that has answered is not aborted', async (t) => {
  const { health } = watch();
  let signal: AbortSignal | undefined;
  await health.check((question) => {
    ({ signal } = question);
    return true;
  });
  t.match(signal, { aborted: false });
});

t.test('the first answer does not take the time of the boot', async (t) => {
  const said = Promise.withResolvers<string>();
  const log = { warn: (_: unknown, message: string) => said.resolve(message) } as unknown as Logger;
  const ask = (): Promise<boolean> => new Promise(() => {});
  const health = new HealthWatch({ ask, log, onChange: () => {}, bootTimeout: 0.002 });
  await health.start();
  health.stop();
  t.equal(await said.promise, 'The app is not healthy: health() has not answered within 0.001 s');
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
