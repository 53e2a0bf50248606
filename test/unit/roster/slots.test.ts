import { EventEmitter, once } from 'node:events';
import t, { type Test } from 'tap';
import { Slots } from '../../../src/roster/slots.ts';

const LONG_LIFE_MS = 30_000;
const MOST_MS = 30_000;

interface Rig {
  readonly slots: Slots;
  readonly clock: { now: number };
  /** The wait of a number, by asking; it is at its ceiling. */
  wait(number: number): number;
}

/** Random numbers are always the same: each wait is its ceiling. */
function rig(t: Test): Rig {
  const { random } = Math;
  t.teardown(() => (Math.random = random));
  Math.random = () => 1;
  const clock = { now: 1000 };
  const slots = new Slots({ clock: () => clock.now, onDue: () => {} });
  t.teardown(() => slots.stop());
  const wait = (number: number): number => {
    const begun = clock.now;
    while (!slots.mayStart(number)) clock.now += 50;
    return clock.now - begun;
  };
  return { slots, clock, wait };
}

t.test('each number waits for itself, longer and longer', async (t) => {
  const { slots, wait } = rig(t);
  const die = (number: number): number => {
    slots.postpone({ number, readyAt: undefined });
    return wait(number);
  };
  t.same([die(1), die(1), die(1)], [0, 100, 200]);
  t.same([die(2), die(2)], [0, 100]);
});

t.test('a long life clears the record', async (t) => {
  const { slots, clock, wait } = rig(t);
  for (let n = 0; n < 5; n += 1) slots.postpone({ number: 1, readyAt: undefined });
  t.equal(wait(1), 800);
  const readyAt = clock.now;
  clock.now += LONG_LIFE_MS;
  slots.postpone({ number: 1, readyAt });
  t.equal(wait(1), 0);
});

t.test('slowed down, the next waits have the highest ceiling; a long life clears that, too', async (t) => {
  const { slots, clock, wait } = rig(t);
  slots.postpone({ number: 1, readyAt: undefined });
  slots.slowDown();
  slots.postpone({ number: 1, readyAt: undefined });
  t.equal(wait(1), MOST_MS);
  const readyAt = clock.now;
  clock.now += LONG_LIFE_MS;
  slots.postpone({ number: 1, readyAt });
  t.equal(wait(1), 0);
});

t.test('one timer for all; it fires for the earliest, goes on for the others, and is gone after stop()', async (t) => {
  const { random } = Math;
  t.teardown(() => (Math.random = random));
  Math.random = () => 0.01;
  const due = new EventEmitter();
  let now = 0;
  const slots: Slots = new Slots({ clock: () => now, onDue: () => due.emit('due') });
  for (let n = 0; n < 6; n += 1) slots.postpone({ number: 1, readyAt: undefined });
  for (let n = 0; n < 4; n += 1) slots.postpone({ number: 2, readyAt: undefined });
  // The timer itself does not keep a process alive; this one does, for the test.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  // The first wait of all is none; then 4 ms (number 2) and 16 ms (number 1), by this clock, however late a timer is.
  await once(due, 'due');
  t.same([slots.mayStart(1), slots.mayStart(2)], [false, false]);
  now = 4;
  await once(due, 'due');
  t.same([slots.mayStart(1), slots.mayStart(2)], [false, true]);
  now = 16;
  await once(due, 'due');
  t.same([slots.mayStart(1), slots.mayStart(2)], [true, true]);
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  slots.postpone({ number: 1, readyAt: undefined });
  slots.stop();
  t.equal(timers(), before);
});
