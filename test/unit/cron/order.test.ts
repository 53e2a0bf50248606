import t from 'tap';
import { inOrder, type Candidate } from '../../../src/cron/order.ts';

function candidate(name: string, given: Partial<Candidate> = {}): Candidate {
  return { name, dueAt: 100, failures: 0, priority: 5, continues: false, ...given };
}

const names = (...candidates: Candidate[]): string =>
  inOrder(candidates)
    .map(({ name }) => name)
    .join(' ');

t.test('by failures, then priority, then due time', async (t) => {
  t.equal(names(candidate('late', { dueAt: 90 }), candidate('urgent', { priority: 1 })), 'urgent late');
  t.equal(names(candidate('failing', { failures: 1, priority: 0, dueAt: 1 }), candidate('sound')), 'sound failing');
  t.equal(names(candidate('second', { dueAt: 20 }), candidate('first', { dueAt: 10 })), 'first second');
  t.equal(names(candidate('b'), candidate('a')), 'a b', 'and always the same');
});

t.test('what is partly done comes after all that were due when it returned, whatever its priority', async (t) => {
  const partly = candidate('partly', { continues: true, priority: 0, dueAt: 100 });
  t.equal(names(partly, candidate('waiting', { dueAt: 99, priority: 9, failures: 3 })), 'waiting partly');
  t.equal(names(partly, candidate('waiting', { dueAt: 100 })), 'waiting partly');
  t.equal(names(partly, candidate('later', { dueAt: 101 })), 'partly later', 'others had their turn');
  t.equal(
    names(partly, candidate('later', { dueAt: 101 }), candidate('waiting', { dueAt: 50 })),
    'waiting later partly',
  );
});
