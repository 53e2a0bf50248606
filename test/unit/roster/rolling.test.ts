import t from 'tap';
import { roll } from '../../../src/roster/rolling.ts';

t.test('there are never fewer ready than before, and never more than one over', async (t) => {
  for (const [wanted, old] of [
    [4, 4],
    [1, 1],
    [2, 6],
    [6, 2],
  ] as const) {
    for (let ready = 0; ready < wanted; ready += 1) {
      const limits = roll({ ready, wanted, old });
      t.ok(limits.old + ready >= Math.min(old, wanted), `${ready} of ${wanted}, of old ones ${limits.old}`);
      t.equal(Math.min(limits.next, wanted), ready + 1, 'one at a time');
    }
  }
});
