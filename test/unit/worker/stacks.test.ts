import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { threadStacks } from '../../../src/worker/stacks.ts';
import { runModule } from '../supervisor/support.ts';

const WATCHER = JSON.stringify(join(import.meta.dirname, 'watching-thread.ts'));

/**
 * A process whose main thread goes on as `main` says while a thread beside it takes its stack `times` times, once
 * `shared[BEGUN]` is set. `shared[DONE]` counts those that are through.
 */
async function stacksOfMain(t: Test, main: string, times = 1): Promise<{ frames: string[] }[]> {
  const script = `
    import { Worker } from 'node:worker_threads';
    const [DONE, BEGUN] = [0, 1];
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const watcher = new Worker(${WATCHER}, { execArgv: [], workerData: { shared, times: ${times} } });
    await new Promise((resolve) => watcher.once('message', resolve));
    const through = new Promise((resolve) => watcher.on('message', (message) => message === 'through' && resolve()));
    ${main}
    await through;
    process.exit();`;
  const output = await runModule(t, script);
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { frames: string[] });
}

t.test('a blocked main thread: its frames, the innermost first, with file and place', async (t) => {
  const [stack] = await stacksOfMain(
    t,
    `function spin() { Atomics.store(shared, BEGUN, 1); while (Atomics.load(shared, DONE) === 0); }
     function handle() { spin(); }
     handle();`,
  );
  const [first, second] = stack?.frames ?? [];
  t.match(first, /^ {4}at spin \(\S+:\d+:\d+\)$/);
  t.match(second, /^ {4}at handle \(\S+:\d+:\d+\)$/);
});

t.test('it may be asked again, and the main thread goes on', async (t) => {
  const stacks = await stacksOfMain(
    t,
    `function spin() { Atomics.store(shared, BEGUN, 1); while (Atomics.load(shared, DONE) < 3); }
     spin();`,
    3,
  );
  t.equal(stacks.length, 3);
  for (const { frames } of stacks) t.match(frames[0], /at spin/);
});

t.test('an idle main thread has no frames, and does not stop at its next work', async (t) => {
  const stacks = await stacksOfMain(
    t,
    `Atomics.store(shared, BEGUN, 2);
     await through;
     console.log(JSON.stringify({ frames: ['it went on'] }));`,
  );
  t.same(stacks, [{ frames: [] }, { frames: ['it went on'] }]);
});

interface Spinning {
  readonly thread: Worker;
  readonly stop: () => void;
}

/** A thread that blocks itself until stop(), in functions of the given name. */
async function startSpinning(t: Test, name: string, functionName: string): Promise<Spinning> {
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    (function ${functionName}() {
      parentPort.postMessage('spins');
      while (Atomics.load(workerData, 0) === 0);
    })();`;
  const thread = new Worker(script, { eval: true, name, workerData: stopped });
  t.teardown(() => thread.terminate());
  await once(thread, 'message');
  return { thread, stop: () => void Atomics.store(stopped, 0, 1) };
}

/** A file that passes for the worker's own thread.ts: stacks.ts knows the wake by its name and place. */
function threadFile(t: Test, source: string): string {
  const folder = join(t.testdir({ worker: { 'thread.cjs': source } }), 'worker');
  return join(folder, 'thread.cjs');
}

/** A thread that waits for messages and answers each. */
async function startIdle(t: Test, name: string): Promise<Worker> {
  const file = threadFile(
    t,
    `const { parentPort } = require('node:worker_threads');
     parentPort.on('message', function takeOrder(message) { parentPort.postMessage(message); });
     parentPort.postMessage('up');`,
  );
  const thread = new Worker(file, { name });
  t.teardown(() => thread.terminate());
  await once(thread, 'message');
  // It may not have left its module yet; once it has answered, nothing but the wake is on its stack.
  thread.postMessage('first');
  await once(thread, 'message');
  return thread;
}

t.test('blocked threads: each by its name, also where a name has brackets', async (t) => {
  const one = await startSpinning(t, 'thread 1', 'spinOne');
  const two = await startSpinning(t, '[x] thread 2', 'spinTwo');
  const stacks = await threadStacks(() => {});
  t.match(stacks.get('thread 1')?.frames[0], /^ {4}at spinOne \(.+:\d+:\d+\)$/);
  t.match(stacks.get('[x] thread 2')?.frames[0], /^ {4}at spinTwo \(/);
  const ended = [one, two].map(({ thread }) => once(thread, 'exit'));
  one.stop();
  two.stop();
  t.same(await Promise.all(ended), [[0], [0]], 'they go on where they were');
});

t.test('an idle thread beside a blocked one has no frames, and answers afterwards', async (t) => {
  await startSpinning(t, 'busy', 'spin');
  const idle = await startIdle(t, 'idle');
  const waked: string[] = [];
  const wake = (name: string): void => {
    waked.push(name);
    if (name === 'idle') idle.postMessage('wake');
  };
  const stacks = await threadStacks(wake);
  t.same(stacks.get('idle'), { frames: [] });
  t.match(stacks.get('busy')?.frames[0], /at spin /);
  t.same(waked.toSorted(), ['busy', 'idle'], 'each was waked');
  const answer = new Promise((resolve) => idle.on('message', (message) => message === 'after' && resolve(message)));
  idle.postMessage('after');
  t.equal(await answer, 'after');
});

t.test('a thread that is caught at its wake is as good as idle', async (t) => {
  const file = threadFile(
    t,
    `const { parentPort } = require('node:worker_threads');
     parentPort.on('message', function takeOrder() { parentPort.postMessage('taken'); for (;;); });`,
  );
  const thread = new Worker(file, { name: 'caught' });
  t.teardown(() => thread.terminate());
  thread.postMessage('wake');
  await once(thread, 'message');
  t.same((await threadStacks(() => {})).get('caught'), { frames: [] });
});

t.test('and so is one that is caught at its beat', async (t) => {
  const folder = t.testdir({
    worker: { 'ledger.cjs': 'exports.beat = function beat(tell) { tell(); for (;;); };' },
    watchdog: {
      'beat.cjs': `
        const { parentPort } = require('node:worker_threads');
        const ledger = require('../worker/ledger.cjs');
        setTimeout(() => ledger.beat(() => parentPort.postMessage('beats')), 1);`,
    },
  });
  const thread = new Worker(join(folder, 'watchdog/beat.cjs'), { name: 'beating' });
  t.teardown(() => thread.terminate());
  await once(thread, 'message');
  t.same((await threadStacks(() => {})).get('beating'), { frames: [] });
});

t.test('of one that is stuck alone: no other is looked at', async (t) => {
  await startSpinning(t, 'busy', 'spin');
  await startSpinning(t, 'other', 'spinToo');
  const stacks = await threadStacks((name) => t.equal(name, 'busy'), 'busy');
  t.same([...stacks.keys()], ['busy']);
  t.match(stacks.get('busy')?.frames[0], /at spin /);
});

t.test('without threads there are none', async (t) => {
  t.equal((await threadStacks(() => {})).size, 0);
});

t.test('two that ask at once both get an answer', async (t) => {
  const { stop, thread } = await startSpinning(t, 'busy', 'spin');
  const [one, other] = await Promise.all([threadStacks(() => {}), threadStacks(() => {})]);
  t.match(one.get('busy')?.frames[0], /at spin /);
  t.match(other.get('busy')?.frames[0], /at spin /);
  const ended = once(thread, 'exit');
  stop();
  t.same(await ended, [0]);
});
