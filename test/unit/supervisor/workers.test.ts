import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { WireError } from '../../../src/errors.ts';
import { WorkerHandle } from '../../../src/supervisor/worker-handle.ts';
import { Workers } from '../../../src/supervisor/workers.ts';
import { bootOf, configOf, entered, forkObedient, order, recordLog, type Line } from './support.ts';

const BOOT_TIMEOUT_MS = 5000;
const LONG_LIFE_MS = 30_000;
/** How often the supervisor looks when nothing wakes it; here far longer than any machine takes to start five processes. */
const TICK_MS = 60_000;

interface Crew {
  readonly workers: Workers;
  readonly lines: Line[];
  /** What `gone`, `ready` and `late` told, such as `gone 1`. */
  readonly told: string[];
  /** Milliseconds that the crew believes have passed. */
  readonly clock: { now: number };
  /** The numbers of those that there are. */
  numbers(): number[];
  handle(number: number): WorkerHandle;
  /** The process behind the handle. */
  process(handle: WorkerHandle): Worker;
}

function crew(t: Test, clock?: () => number): Crew {
  const { log, lines } = recordLog();
  const config = configOf(t, `--boot-timeout=${BOOT_TIMEOUT_MS / 1000}`);
  const processes = new Map<WorkerHandle, Worker>();
  const time = { now: 0 };
  const read = clock ?? ((): number => time.now);
  const launch = (number: number): WorkerHandle => {
    const worker = forkObedient(t);
    const handle = new WorkerHandle(worker, bootOf(config, { worker: number }), read);
    processes.set(handle, worker);
    return handle;
  };
  const workers = new Workers({ log, clock: read, launch });
  const told: string[] = [];
  workers.on('gone', ({ number }) => told.push(`gone ${number}`));
  workers.on('ready', ({ number }) => told.push(`ready ${number}`));
  workers.on('late', ({ number }) => told.push(`late ${number}`));
  return {
    workers,
    lines,
    told,
    clock: time,
    numbers: () => [...workers].map(({ number }) => number),
    handle: (number) => [...workers].find((handle) => handle.number === number)!,
    process: (handle) => processes.get(handle)!,
  };
}

/** Random numbers are always the same: at 1 each wait is its ceiling. */
function withoutLuck(t: Test, share = 1): void {
  const { random } = Math;
  t.teardown(() => (Math.random = random));
  Math.random = () => share;
}

async function die({ workers, handle }: Crew, number: number): Promise<void> {
  const dying = handle(number);
  dying.kill();
  await entered(dying, 'exited');
  workers.reap();
}

async function becomeReady(crew: Crew, number: number): Promise<void> {
  const handle = crew.handle(number);
  order(crew.process(handle), { type: 'say', what: { type: 'ready', form: 'f', jobs: 0 } });
  await entered(handle, 'ready');
}

t.test('it starts as many as are wanted, once', async (t) => {
  const { workers, numbers, lines } = crew(t);
  workers.spawn(2);
  workers.spawn(2);
  t.same(numbers(), [1, 2]);
  t.equal(workers.size, 2);
  t.same(workers.ready, []);
  t.match(lines, [
    { level: 'debug', worker: 1, message: /^worker 1 \(pid \d+\) starts$/ },
    { level: 'debug', worker: 2 },
  ]);
});

t.test('a ready one is told, and listed', async (t) => {
  const all = crew(t);
  all.workers.spawn(2);
  const change = once(all.workers, 'change');
  await becomeReady(all, 2);
  await change;
  t.same(all.told, ['ready 2']);
  t.same(
    all.workers.ready.map(({ number }) => number),
    [2],
  );
});

t.test('what a worker says of its failed boot is passed on', async (t) => {
  const { workers, handle, process } = crew(t);
  workers.spawn(1);
  const error: WireError = { code: 'TRC_APP_BOOT', message: 'm', hint: 'h', exitCode: 3, stack: '' };
  const fatal = once(workers, 'fatal');
  order(process(handle(1)), { type: 'say', what: { type: 'fatal', error } });
  t.same(await fatal, [handle(1), error]);
});

t.test('a death is a change; it is buried by reap, told once, and replaced at once by its number', async (t) => {
  const { workers, handle, numbers, told } = crew(t);
  workers.spawn(2);
  const dead = handle(1);
  const gone = once(workers, 'gone');
  dead.kill();
  await once(workers, 'change');
  t.same(numbers(), [1, 2], 'not yet');
  workers.reap();
  workers.reap();
  t.same(await gone, [dead, { code: null, signal: 'SIGKILL', expected: false }]);
  t.same(numbers(), [2]);
  t.same(told, ['gone 1']);
  workers.spawn(2);
  t.same(numbers(), [2, 1]);
  t.not(handle(1), dead);
});

t.test('who dies again and again waits longer and longer', async (t) => {
  withoutLuck(t);
  const all = crew(t);
  all.workers.spawn(1);
  await die(all, 1);
  all.workers.spawn(1);
  for (const wait of [100, 200, 400]) {
    await die(all, 1);
    all.clock.now += wait - 1;
    all.workers.spawn(1);
    t.equal(all.workers.size, 0, `1 ms before ${wait} ms`);
    all.clock.now += 1;
    all.workers.spawn(1);
    t.equal(all.workers.size, 1, `at ${wait} ms`);
  }
});

t.test('each number waits for itself', async (t) => {
  withoutLuck(t);
  const all = crew(t);
  all.workers.spawn(2);
  await die(all, 1);
  all.workers.spawn(2);
  await die(all, 1);
  await die(all, 2);
  all.workers.spawn(2);
  t.same(all.numbers(), [2], 'the first death of 2, the second of 1');
  all.workers.spawn(3);
  t.same(all.numbers(), [2, 3]);
});

t.test('a long life clears the record; time spent booting is no life', async (t) => {
  withoutLuck(t);
  const all = crew(t);
  all.workers.spawn(1);
  await die(all, 1);
  all.workers.spawn(1);
  all.clock.now += LONG_LIFE_MS;
  await die(all, 1);
  all.workers.spawn(1);
  t.same(all.numbers(), [], 'it booted for long, and was never ready');
  all.clock.now += 100;
  all.workers.spawn(1);
  await becomeReady(all, 1);
  all.clock.now += LONG_LIFE_MS;
  await die(all, 1);
  all.workers.spawn(1);
  t.same(all.numbers(), [1]);
});

t.test('who was asked to go is not held against its number', async (t) => {
  withoutLuck(t);
  const all = crew(t);
  all.workers.spawn(1);
  for (const _ of [1, 2, 3]) {
    all.workers.drainAll(Infinity);
    await die(all, 1);
    all.workers.spawn(1);
    t.same(all.numbers(), [1]);
  }
});

t.test('the end of a wait is a change, at which the replacement starts', async (t) => {
  const all = crew(t, () => performance.now());
  // Waits that end between two milliseconds: 0, 15.9, 31.8 ms ...
  withoutLuck(t, 0.159);
  const { promise: tick, resolve } = Promise.withResolvers<string>();
  // Nothing else would wake the supervisor before its next tick.
  const timer = setTimeout(resolve, TICK_MS, 'not before the next tick');
  t.teardown(() => clearTimeout(timer));
  all.workers.spawn(1);
  for (let death = 1; death <= 5; death += 1) {
    await die(all, 1);
    const how = await Promise.race([startedByChange(all), tick]);
    if (!t.equal(how, 'by a change', `death ${death}`)) return;
  }
});

/** Does at every change what the supervisor does, until worker 1 is there. */
async function startedByChange({ workers }: Crew): Promise<string> {
  workers.spawn(1);
  while (workers.size === 0) {
    await once(workers, 'change');
    workers.spawn(1);
  }
  return 'by a change';
}

t.test('the highest are drained, and their deadline is kept', async (t) => {
  const { workers, handle } = crew(t);
  workers.spawn(3);
  workers.cull(2, 700);
  t.same(
    [...workers].map(({ number, state }) => `${number} ${state}`),
    ['1 starting', '2 starting', '3 draining'],
  );
  t.equal(handle(3).deadline, 700);
  workers.cull(2, 900);
  t.equal(handle(3).deadline, 700, 'asked once');
  workers.drainAll(800);
  t.same(
    [...workers].map(({ state, deadline }) => `${state} ${deadline}`),
    ['draining 800', 'draining 800', 'draining 700'],
  );
  workers.spawn(1);
  t.equal(workers.size, 4, 'one that drains counts for nothing');
});

t.test('who is not ready in time is told once, and runs on', async (t) => {
  const all = crew(t);
  all.workers.spawn(2);
  await becomeReady(all, 2);
  all.clock.now = BOOT_TIMEOUT_MS - 1;
  all.workers.escalate();
  t.same(all.told, ['ready 2'], 'not yet');
  all.clock.now += 1;
  all.workers.escalate();
  all.workers.escalate();
  t.same(all.told, ['ready 2', 'late 1']);
  await becomeReady(all, 1);
});

t.test('who does not end by its deadline is killed, with a word', async (t) => {
  const { workers, handle, clock, lines, told } = crew(t);
  workers.spawn(1);
  const late = handle(1);
  // Node's own start may take longer than a worker is waited for to tell where it stands.
  await late.askUsage();
  workers.drainAll(1000);
  clock.now = 999;
  workers.escalate();
  clock.now = 1000;
  t.same(lines.slice(1), []);
  workers.escalate();
  workers.escalate();
  await entered(late, 'exited');
  t.same(late.exit, { code: null, signal: 'SIGKILL', expected: true });
  const message = `${late.name} did not end in time: killed`;
  const stack = `${late.name}:\n    at obedience`;
  t.same(lines.slice(1), [{ level: 'error', worker: 1, stack, requests: [], message }]);
  workers.escalate();
  workers.reap();
  t.same(told, ['gone 1']);
});

t.test('all are killed, or those that are meant', async (t) => {
  const all = crew(t);
  all.workers.spawn(3);
  const [one, two, three] = [all.handle(1), all.handle(2), all.handle(3)];
  await becomeReady(all, 2);
  all.workers.killAll(({ state }) => state === 'starting');
  await Promise.all([entered(one, 'exited'), entered(three, 'exited')]);
  t.equal(two.state, 'ready');
  all.workers.killAll();
  await entered(two, 'exited');
  all.workers.reap();
  t.equal(all.workers.size, 0);
});
