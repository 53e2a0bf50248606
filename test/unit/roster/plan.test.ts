import fc from 'fast-check';
import t from 'tap';
import { isActive, plan, retire, transition, type Member, type MemberState } from '../../../src/roster/plan.ts';

const STATES: readonly MemberState[] = ['starting', 'ready', 'retiring', 'draining', 'exited'];

function member(number: number, state: MemberState = 'ready'): Member {
  return { number, state };
}

/** Members as there can be: a number is held by one active at most, beside any that are on their way out. */
const rosters = fc
  .record({
    active: fc.uniqueArray(fc.record({ number: fc.integer({ min: 1, max: 20 }), state: anyOf('starting', 'ready') }), {
      selector: ({ number }) => number,
    }),
    leaving: fc.array(fc.record({ number: fc.integer({ min: 1, max: 20 }), state: anyOf('draining', 'exited') })),
  })
  .chain(({ active, leaving }) => fc.shuffledSubarray([...active, ...leaving], { minLength: 0 }));
const wants = fc.nat({ max: 25 });

function anyOf(...states: MemberState[]): fc.Arbitrary<MemberState> {
  return fc.constantFrom(...states);
}

/** What the roster is like once the plan has been carried out. */
function carriedOut(members: readonly Member[], wanted: number): number[] {
  const { spawn, drain } = plan(members, wanted);
  const stay = members.filter(isActive).filter((one) => !drain.includes(one));
  return [...stay.map(({ number }) => number), ...spawn].toSorted((a, b) => a - b);
}

t.test('a boot starts 1 to N, a stop drains all', async (t) => {
  t.same(plan([], 3), { spawn: [1, 2, 3], drain: [] });
  t.same(plan([], 0), { spawn: [], drain: [] });
  const all = [member(1), member(2, 'starting')];
  t.same(plan(all, 0), { spawn: [], drain: all });
});

t.test('a gap is filled by its own number', async (t) => {
  t.same(plan([member(3), member(1)], 3), { spawn: [2], drain: [] });
});

t.test('the highest go', async (t) => {
  const members = [member(4), member(1), member(3), member(2)];
  t.same(plan(members, 2), { spawn: [], drain: [member(3), member(4)] });
});

t.test('who drains or is gone counts for nothing, and its number is free', async (t) => {
  t.same(plan([member(1, 'draining'), member(2, 'exited')], 2), { spawn: [1, 2], drain: [] });
  t.same(
    STATES.filter((state) => isActive({ state })),
    ['starting', 'ready'],
  );
});

t.test('never more spawns than are missing, never both a spawn and a drain', async () => {
  fc.assert(
    fc.property(rosters, wants, (members, wanted) => {
      const { spawn, drain } = plan(members, wanted);
      const active = members.filter(isActive).length;
      return spawn.length === Math.max(0, wanted - active) && drain.length === Math.max(0, active - wanted);
    }),
  );
});

t.test('the numbers of new members are unique, free and the lowest', async () => {
  fc.assert(
    fc.property(rosters, wants, (members, wanted) => {
      const { spawn } = plan(members, wanted);
      const taken = new Set(members.filter(isActive).map(({ number }) => number));
      const highest = spawn.at(-1) ?? 0;
      const free = Array.from({ length: highest }, (_, index) => index + 1).filter((number) => !taken.has(number));
      return JSON.stringify(spawn) === JSON.stringify(free);
    }),
  );
});

t.test('those that drain are active, and no number that stays is higher', async () => {
  fc.assert(
    fc.property(rosters, wants, (members, wanted) => {
      const { drain } = plan(members, wanted);
      const stay = members.filter(isActive).filter((one) => !drain.includes(one));
      const highest = Math.max(0, ...stay.map(({ number }) => number));
      return drain.every((one) => isActive(one) && members.includes(one) && one.number > highest);
    }),
  );
});

t.test('once carried out, there are as many as are wanted and nothing is left to do', async () => {
  fc.assert(
    fc.property(rosters, wants, (members, wanted) => {
      const numbers = carriedOut(members, wanted);
      const after = plan(
        numbers.map((number) => member(number)),
        wanted,
      );
      const unique = new Set(numbers).size === wanted && numbers.length === wanted;
      return unique && after.spawn.length === 0 && after.drain.length === 0;
    }),
  );
});

t.test('any iterable will do, and it is left as it was', async (t) => {
  const members = new Set([member(2), member(1)]);
  t.same(plan(members, 1).drain, [member(2)]);
  t.same([...members], [member(2), member(1)]);
});

t.test('states go forward only', async (t) => {
  const allowed = new Set([
    'starting->ready',
    'starting->draining',
    'starting->exited',
    'ready->retiring',
    'ready->draining',
    'ready->exited',
    'retiring->ready',
    'retiring->draining',
    'retiring->exited',
    'draining->exited',
  ]);
  for (const from of STATES) {
    for (const to of STATES) {
      if (allowed.has(`${from}->${to}`)) t.equal(transition('worker 1', from, to), to);
      else t.throws(() => transition('worker 1', from, to), new Error(`worker 1: ${from} -> ${to} is no transition`));
    }
  }
});

t.test('who retires is replaced first, and drained when as many as are wanted are ready', async (t) => {
  const retiring = member(1, 'retiring');
  t.same(plan([retiring, member(2)], 2), { spawn: [1], drain: [] });
  t.same(plan([retiring, member(1, 'starting'), member(2)], 2), { spawn: [], drain: [] });
  t.same(plan([retiring, member(1), member(2)], 2), { spawn: [], drain: [retiring] });
});

t.test('one recycle budget: one, or a quarter, away at a time; the others wait in their order', async (t) => {
  const due = [member(3), member(1), member(2)];
  t.same(retire(due, due, 3), [due[0]]);
  t.same(retire([...due, member(4, 'retiring')], due, 4), [], 'somebody is away already');
  t.same(retire([...due, member(4, 'draining')], due, 4), []);
  const many = Array.from({ length: 12 }, (_, index) => member(index + 1));
  t.same(retire(many, many, 12), many.slice(0, 3));
  t.same(retire([member(1, 'starting')], [member(1, 'starting')], 1), [], 'only who is ready');
});
