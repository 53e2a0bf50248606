import t from 'tap';
import { runHooks, type Hook } from '../../../src/supervisor/hooks.ts';
import { runModule, source } from './support.ts';

/** Far more than any test takes: a hook that runs into it is a failure. */
const AMPLE_MS = 60_000;

const never: Hook = () => new Promise(() => {});

t.test('one after the other, each awaited', async (t) => {
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const running = runHooks(
    [
      async () => {
        seen.push('a begins');
        await gate.promise;
        seen.push('a ends');
      },
      () => seen.push('b'),
      async () => seen.push('c'),
    ],
    AMPLE_MS,
  );
  t.same(seen, ['a begins']);
  gate.resolve();
  t.same(await running, []);
  t.same(seen, ['a begins', 'a ends', 'b', 'c']);
});

t.test('one that throws or rejects does not keep the others from running', async (t) => {
  const seen: string[] = [];
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')];
  const hooks: Hook[] = [
    () => {
      throw thrown;
    },
    () => seen.push('b'),
    () => Promise.reject(rejected),
    () => seen.push('d'),
  ];
  const errors = await runHooks(hooks, AMPLE_MS);
  t.same(seen, ['b', 'd']);
  t.equal(errors[0], thrown);
  t.equal(errors[1], rejected);
  t.equal(errors.length, 2);
});

t.test('one that hangs is left at the limit, and told', async (t) => {
  const seen: string[] = [];
  const errors = await runHooks([() => seen.push('a'), never], 1);
  t.same(seen, ['a']);
  t.match(errors, [new Error('a stop hook did not end within 1 ms')]);
});

t.test('one that hangs does not keep the others from running', async (t) => {
  const seen: string[] = [];
  const errors = await runHooks([never, () => seen.push('b')], 1);
  t.same(seen, ['b']);
  t.equal(errors.length, 1);
});

t.test('a hook that rejects after the limit is nobody’s uncaught error', async (t) => {
  const late = Promise.withResolvers<void>();
  t.equal((await runHooks([() => late.promise], 1)).length, 1);
  late.reject(new Error('too late'));
  // Node reports an unhandled rejection before the next turn of the loop; tap would fail for it.
  await new Promise((resolve) => setImmediate(resolve));
});

t.test('what a hook returns is not mistaken for a limit, and nothing to run is done at once', async (t) => {
  t.same(await runHooks([() => Symbol('timed out'), () => undefined, () => 'text'], AMPLE_MS), []);
  t.same(await runHooks([], AMPLE_MS), []);
});

t.test('the limit’s timer keeps no process alive once the hooks are through', async (t) => {
  const script = `
    const { runHooks } = await import(${source('supervisor/hooks.ts')});
    await runHooks([() => {}], ${AMPLE_MS});
    console.log(JSON.stringify(process.getActiveResourcesInfo()));
    process.exit();`;
  const output = await runModule(t, script);
  t.notMatch(output, 'Timeout');
  t.match(output, /^\[/, 'the child did answer');
});
