import t from 'tap';

process.env['TZ'] = 'Asia/Kolkata';
const { timestamp, commonTimestamp } = await import('../../../src/log/clock.ts');

const noon = Date.UTC(2026, 10, 23, 6, 30, 5, 7);

t.test('local time with milliseconds, also within a cached second', async (t) => {
  t.equal(timestamp(noon), '2026-11-23 12:00:05.007');
  t.equal(timestamp(noon + 900), '2026-11-23 12:00:05.907');
  t.equal(timestamp(noon + 1000), '2026-11-23 12:00:06.007');
  t.equal(timestamp(noon), '2026-11-23 12:00:05.007', 'and back');
});

t.test('the common log format names the offset', async (t) => {
  t.equal(commonTimestamp(noon), '23/Nov/2026:12:00:05 +0530');
  t.equal(commonTimestamp(noon + 1000), '23/Nov/2026:12:00:06 +0530');
});
