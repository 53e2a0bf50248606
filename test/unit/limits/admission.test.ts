import t from 'tap';
import { Admission, admissionLimits, NO_LIMITS } from '../../../src/limits/admission.ts';
import { load } from '../config/support.ts';

const config = (...argv: string[]) => load(import.meta.dirname, { argv, needsApp: false }).config;

t.test('off by default; a limit that is 0 is none', async (t) => {
  t.equal(admissionLimits(config()), undefined);
  t.same(admissionLimits(config('--max-inflight=5')), { inflight: 5, queue: Infinity, ageMs: Infinity });
  t.same(admissionLimits(config('--max-inflight=5', '--max-queue=7', '--max-queue-age=1.5')), {
    inflight: 5,
    queue: 7,
    ageMs: 1500,
  });
});

t.test('so many run, so many wait, the others are refused; who leaves lets the oldest run', async (t) => {
  const admission = new Admission<string>({ inflight: 2, queue: 2, ageMs: Infinity }, () => 0);
  t.same(
    ['a', 'b', 'c', 'd', 'e'].map((item) => admission.enter(item)),
    ['run', 'run', 'wait', 'wait', 'refuse'],
  );
  t.equal(admission.waiting, 2);
  t.equal(admission.leave('b'), 'c');
  t.equal(admission.enter('f'), 'wait', 'the place in the queue is free again');
  t.equal(admission.leave('a'), 'd');
  t.equal(admission.leave('c'), 'f');
  t.equal(admission.leave('d'), undefined);
  t.equal(admission.leave('f'), undefined);
  t.equal(admission.enter('g'), 'run');
});

t.test('one that gives up while it waits takes nobody’s turn', async (t) => {
  const admission = new Admission<string>({ inflight: 1, queue: Infinity, ageMs: Infinity }, () => 0);
  for (const item of ['a', 'b', 'c']) admission.enter(item);
  t.equal(admission.leave('b'), undefined);
  t.equal(admission.waiting, 1);
  t.equal(admission.leave('a'), 'c');
});

t.test('what has waited too long is taken out, the oldest first', async (t) => {
  let now = 0;
  const admission = new Admission<string>({ inflight: 1, queue: Infinity, ageMs: 100 }, () => now);
  admission.enter('a');
  admission.enter('b');
  now = 60;
  admission.enter('c');
  now = 99;
  t.same(admission.expire(), []);
  now = 100;
  t.same(admission.expire(), ['b']);
  now = 500;
  t.same(admission.expire(), ['c']);
  t.equal(admission.leave('a'), undefined, 'nobody waits any more');
  t.equal(admission.enter('d'), 'run', 'and the place is free');
});

t.test('limits that go up let those run that wait; down, nobody until enough have left', async (t) => {
  const admission = new Admission<string>({ inflight: 1, queue: Infinity, ageMs: Infinity }, () => 0);
  for (const item of ['a', 'b', 'c', 'd']) admission.enter(item);
  t.same(admission.change({ inflight: 3, queue: 1, ageMs: Infinity }), ['b', 'c']);
  t.equal(admission.enter('e'), 'refuse', 'd fills the queue');
  t.same(admission.change({ inflight: 1, queue: 1, ageMs: Infinity }), []);
  t.equal(admission.leave('a'), undefined);
  t.equal(admission.leave('b'), undefined);
  t.equal(admission.leave('c'), 'd');
  admission.enter('f');
  t.same(admission.change(NO_LIMITS), ['f']);
  t.equal(admission.enter('g'), 'run');
});
