import t from 'tap';
import { tickAfter, ticksUntil } from '../../../src/cron/schedule.ts';
import { at, shown } from './support.ts';

/** The next ticks after a moment, as they are seen in UTC. */
function ticks(cron: string, after: string, count: number, timezone = 'Europe/Paris'): string[] {
  const found: string[] = [];
  for (let time = at(after); found.length < count; found.push(shown(time)))
    time = tickAfter({ cron, timezone }, time, 0);
  return found;
}

t.test('five fields, six with seconds, and the names', async (t) => {
  t.same(ticks('0 7 * * 1-5', '2026-01-01 12:00', 2), ['2026-01-02 06:00:00', '2026-01-05 06:00:00']);
  t.same(ticks('*/20 * * * * *', '2026-01-01 12:00', 2), ['2026-01-01 12:00:20', '2026-01-01 12:00:40']);
  t.same(ticks('@daily', '2026-01-01 12:00', 2), ['2026-01-01 23:00:00', '2026-01-02 23:00:00']);
  t.same(ticks('@daily', '2026-01-01 12:00', 1, 'UTC'), ['2026-01-02 00:00:00']);
});

t.test('a time that the change to summer time leaves out ticks once, right after', async (t) => {
  t.same(ticks('30 2 * * *', '2026-03-28 12:00', 2), ['2026-03-29 01:00:00', '2026-03-30 00:30:00']);
  t.same(ticks('0,30 2 * * *', '2026-03-28 12:00', 2), ['2026-03-29 01:00:00', '2026-03-30 00:00:00']);
});

t.test('a time that the change back brings twice ticks once', async (t) => {
  const expected = ['2026-10-25 00:30:00', '2026-10-26 01:30:00'];
  t.same(ticks('30 2 * * *', '2026-10-24 12:00', 2), expected);
  t.same(
    ticks('30 2 * * *', '2026-10-25 01:10', 1),
    expected.slice(1),
    'also for one who asks in the second of the hours',
  );
  t.same(ticks('0 0,2 * * *', '2026-10-24 23:00', 2), ['2026-10-25 00:00:00', '2026-10-25 23:00:00']);
});

t.test('what ticks at any hour goes on through both changes', async (t) => {
  const cron = '*/30 * * * *';
  t.equal(ticks(cron, '2026-03-29 00:00', 4).at(-1), '2026-03-29 02:00:00');
  t.equal(ticks(cron, '2026-10-25 00:00', 4).at(-1), '2026-10-25 02:00:00');
});

t.test('the last ticks up to a moment', async (t) => {
  const rhythm = { cron: '*/10 * * * *', timezone: 'UTC' };
  const last = (until: string, from: string, most: number): string[] =>
    ticksUntil(rhythm, at(until), { anchor: 0, from: at(from), most }).map(shown);
  t.same(last('2026-01-01 12:25', '2026-01-01 00:00', 2), ['2026-01-01 12:10:00', '2026-01-01 12:20:00']);
  t.same(last('2026-01-01 12:20', '2026-01-01 12:20', 9), ['2026-01-01 12:20:00'], 'both ends are in');
  t.same(last('2026-01-01 12:19:59', '2026-01-01 12:20', 9), []);
});

t.test('every: from an anchor on, whatever the zone', async (t) => {
  const rhythm = { everyMs: 90_000 };
  t.equal(tickAfter(rhythm, 1000, 1000), 91_000);
  t.equal(tickAfter(rhythm, 91_000, 1000), 181_000);
  t.equal(tickAfter(rhythm, 90_999, 1000), 91_000);
  t.equal(tickAfter(rhythm, -1000, 1000), 1000, 'also before the anchor');
  t.same(ticksUntil(rhythm, 281_000, { anchor: 1000, from: 91_000, most: 9 }), [91_000, 181_000, 271_000]);
});

t.test('a schedule without an end', async (t) => {
  t.equal(tickAfter({ cron: '0 0 31 2 *', timezone: 'UTC' }, 0, 0), Infinity);
});
