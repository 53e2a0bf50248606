import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { TricornError, toWireError } from '../../../src/errors.ts';
import type { FromWorker, ToWorker, WorkerBoot } from '../../../src/protocol.ts';
import { WorkerHandle } from '../../../src/supervisor/worker-handle.ts';
import { stop } from '../../support/idle.ts';
import { bootOf, configOf, entered, forkObedient, order } from './support.ts';

interface Started {
  readonly worker: Worker;
  readonly handle: WorkerHandle;
  readonly boot: WorkerBoot;
  /** Every state that was entered. */
  readonly states: string[];
}

function start(t: Test, clock: () => number = () => 0, worker: Worker = forkObedient(t)): Started {
  const boot = bootOf(configOf(t, '--boot-timeout=5'), { worker: 3, generation: 7 });
  const handle = new WorkerHandle(worker, boot, clock);
  const states: string[] = [];
  handle.on('state', (state) => states.push(state));
  return { worker, handle, boot, states };
}

/** Has the worker say something over IPC. */
function say(worker: Worker, what: FromWorker): void {
  order(worker, { type: 'say', what });
}

/** What the handle has told its worker so far, `usage` included. */
async function heardBy(handle: WorkerHandle): Promise<ToWorker[]> {
  const usage = await handle.askUsage();
  return usage?.loops[0]?.app as ToWorker[];
}

t.test('it says who it is, and its boot message is the first that the worker hears', async (t) => {
  const { worker, handle, boot, states } = start(t, () => 1000);
  const { pid } = worker.process;
  t.match(handle, { number: 3, generation: 7, role: 'http', pid, name: `worker 3 (pid ${pid})`, form: '' });
  t.match(handle, { state: 'starting', startedAt: 1000, deadline: 6000, readyAt: undefined, exit: undefined });
  t.same(await heardBy(handle), [boot, { type: 'usage' }]);
  t.same(states, [], 'nothing has happened yet');
});

t.test('starting -> ready by its word, with the form of the app and the time', async (t) => {
  let now = 0;
  const { worker, handle, states } = start(t, () => now);
  now = 42;
  say(worker, { type: 'ready', form: 'a Fastify plugin', jobs: 0 });
  await entered(handle, 'ready');
  t.match(handle, { form: 'a Fastify plugin', readyAt: 42, startedAt: 0 });
  now = 50;
  say(worker, { type: 'ready', form: 'another', jobs: 0 });
  await heardBy(handle);
  t.match(handle, { form: 'a Fastify plugin', readyAt: 42 }, 'said once');
  t.same(states, ['ready']);
});

t.test('ready -> draining -> exited: it is asked, and its end is expected', async (t) => {
  const { worker, handle, states } = start(t);
  say(worker, { type: 'ready', form: 'f', jobs: 0 });
  await entered(handle, 'ready');
  handle.drain(777);
  t.match(handle, { state: 'draining', deadline: 777 });
  t.match((await heardBy(handle)).slice(1), [{ type: 'drain', final: false }, { type: 'usage' }]);
  order(worker, { type: 'exit', code: 0 });
  await entered(handle, 'exited');
  t.same(handle.exit, { code: 0, signal: null, expected: true });
  t.same(states, ['ready', 'draining', 'exited']);
});

t.test('starting -> draining: a ready that comes then changes nothing', async (t) => {
  const { worker, handle, states } = start(t);
  handle.drain(1);
  say(worker, { type: 'ready', form: 'f', jobs: 0 });
  await heardBy(handle);
  t.same(states, ['draining']);
  t.equal(handle.readyAt, undefined);
});

t.test('a death that nobody asked for: its code or its signal', async (t) => {
  const one = start(t);
  order(one.worker, { type: 'exit', code: 7 });
  await entered(one.handle, 'exited');
  t.same(one.handle.exit, { code: 7, signal: null, expected: false });
  const other = start(t);
  other.handle.kill();
  await entered(other.handle, 'exited');
  t.same(other.handle.exit, { code: null, signal: 'SIGKILL', expected: false });
});

t.test('what was expected is a matter of who asked, not of the exit code', async (t) => {
  const [asked, unasked] = [start(t), start(t)];
  asked.handle.drain(1);
  order(asked.worker, { type: 'exit', code: 1 });
  order(unasked.worker, { type: 'exit', code: 0 });
  await Promise.all([entered(asked.handle, 'exited'), entered(unasked.handle, 'exited')]);
  t.same(asked.handle.exit, { code: 1, signal: null, expected: true });
  t.same(unasked.handle.exit, { code: 0, signal: null, expected: false });
});

t.test('the exit is known before the state is told', async (t) => {
  const { worker, handle } = start(t);
  let seen: unknown;
  handle.on('state', () => (seen = handle.exit));
  order(worker, { type: 'exit', code: 3 });
  await entered(handle, 'exited');
  t.match(seen, { code: 3 });
});

t.test('a drain is asked for once only, and never of a dead one', async (t) => {
  const { handle } = start(t);
  handle.drain(1);
  t.throws(() => handle.drain(2), /draining -> draining is no transition/);
  handle.kill();
  await entered(handle, 'exited');
  t.throws(() => handle.drain(3), /exited -> draining is no transition/);
  t.equal(handle.deadline, 1);
});

t.test('orders to a dead worker are lost without a word', async (t) => {
  const { handle, states } = start(t);
  handle.kill();
  await entered(handle, 'exited');
  t.equal(await handle.askUsage(), undefined);
  t.same(await handle.askStacks(), []);
  handle.kill();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(states, ['exited']);
});

t.test('a worker that closes its channel is told nothing more, and still watched', async (t) => {
  const { worker, handle } = start(t);
  await heardBy(handle);
  const disconnected = once(worker, 'disconnect');
  worker.process.disconnect();
  await disconnected;
  handle.send({ type: 'usage' });
  handle.kill();
  await entered(handle, 'exited');
  // A worker of node:cluster ends by itself, too, when its channel is gone.
  t.match(handle.exit, { expected: false });
});

t.test('why it cannot boot goes to whoever listens', async (t) => {
  const { worker, handle, states } = start(t);
  const error = toWireError(new TricornError('TRC_APP_LISTENS', { app: 'a.ts' }));
  const fatal = once(handle, 'fatal');
  say(worker, { type: 'fatal', error });
  t.same(await fatal, [error]);
  t.same(states, [], 'that is no state');
});

t.test('its usage goes to all who asked, and to nobody where nobody did', async (t) => {
  const { worker, handle } = start(t);
  const said = once(worker, 'message');
  say(worker, { type: 'usage', rss: 5, loops: [] });
  await said;
  const asked = [handle.askUsage(), handle.askUsage()];
  const [one, other] = await Promise.all(asked);
  t.equal(one, other);
  await stop(handle.pid);
  const late = handle.askUsage();
  handle.kill();
  t.equal(await late, undefined, 'what it takes to its grave is none');
});

t.test('stacks are asked for and answered over the lifeline', async (t) => {
  const { handle } = start(t);
  // Each is one line more; nothing else goes over the lifeline.
  for (const _ of [1, 2]) {
    t.same(await handle.askStacks(), [{ thread: 0, frames: ['    at obedience'] }]);
  }
});

t.test('stacks that a worker takes to its grave are none', async (t) => {
  const { handle } = start(t);
  await stop(handle.pid);
  const asked = [handle.askStacks(), handle.askStacks()];
  handle.kill();
  t.same(await Promise.all(asked), [[], []]);
});

t.test('a fork that failed is a death, once', async (t) => {
  // The folder to start in is missing: the kernel refuses to start the process.
  const { handle, states } = start(t, () => 0, forkObedient(t, { cwd: '/nowhere/at/all' }));
  t.equal(handle.pid, 0);
  const stacks = handle.askStacks();
  await entered(handle, 'exited');
  t.same(await stacks, []);
  t.same(handle.exit, { code: null, signal: null, expected: false });
  await new Promise((resolve) => setImmediate(resolve));
  t.same(states, ['exited']);
});

t.test('what an app sends by process.send is not taken for its worker’s word', async (t) => {
  const { worker, handle, states } = start(t);
  for (const event of ['fatal', 'stuck', 'worn', 'threads', 'lost'] as const) handle.on(event, () => t.fail(event));
  // process.send('ready') is how an app tells PM2 that it is up; the others are ours, without their envelope.
  const words = [{ type: 'ready', form: 'f', jobs: 0 }, { type: 'broken' }, { type: 'worn', reason: 'x' }];
  for (const what of ['ready', 42, true, ['ready'], {}, { type: 'hello' }, { tricorn: 'ready' }, ...words])
    order(worker, { type: 'send', what });
  await heardBy(handle);
  t.same(states, []);
  t.equal(handle.state, 'starting');
});

t.test('nothing that an app sends by process.send throws in the supervisor', async (t) => {
  const { worker } = start(t);
  // As node:cluster hands it over: process.send(null) arrives as null.
  t.doesNotThrow(() => worker.emit('message', null));
});
