import fc from 'fast-check';
import t from 'tap';
import type { Missed } from '../../../src/cron/job.ts';
import { at, DAY, HOUR, MINUTE, SECOND, Simulated } from './support.ts';

const daily = { rhythm: { cron: '0 3 * * *', timezone: 'UTC' } };

/** What a job that ticks each minute runs when its workers come back after that long. */
function after(ms: number, missed: Missed): string[] {
  const job = new Simulated(at('2026-01-01 00:00:30'), { missed });
  job.now += ms;
  return job.runUntil(job.now + 20 * SECOND);
}

t.test('once: one run for all ticks that were missed, the last of them', async (t) => {
  t.same(after(10 * MINUTE, 'once'), ['2026-01-01 00:10:00']);
  t.same(after(30 * DAY, 'once'), ['2026-01-31 00:00:00']);
});

t.test('skip: none of those that are more than a minute late', async (t) => {
  t.same(after(10 * MINUTE, 'skip'), ['2026-01-01 00:10:00'], 'this one is in time');
  const job = new Simulated(at('2026-01-01 00:00'), { ...daily, missed: 'skip' });
  job.now = at('2026-01-01 03:01:01');
  t.same(job.runUntil(at('2026-01-02 03:01'), { stepMs: MINUTE }), ['2026-01-02 03:00:00']);
});

t.test('all: one run for each, the oldest first, at most 100', async (t) => {
  t.same(after(3 * MINUTE, 'all'), ['2026-01-01 00:01:00', '2026-01-01 00:02:00', '2026-01-01 00:03:00']);
  const job = new Simulated(at('2026-01-01 00:00:30'), { missed: 'all' });
  job.now += 300 * MINUTE;
  const ticks = job.runAll();
  t.equal(ticks.length, 100);
  t.same([ticks[0], ticks.at(-1)], ['2026-01-01 03:21:00', '2026-01-01 05:00:00']);
});

t.test('what passes while the job itself runs is missed like any other', async (t) => {
  const job = new Simulated(at('2026-01-01 00:00:30'));
  const ticks = job.runUntil(at('2026-01-01 00:10'), { tookMs: 150 * SECOND });
  t.same(ticks, ['2026-01-01 00:01:00', '2026-01-01 00:03:00', '2026-01-01 00:06:00', '2026-01-01 00:08:00']);
});

t.test('a tick of a schedule with DST is missed and made up for in the job’s own zone', async (t) => {
  const job = new Simulated(at('2026-03-28 12:00'), { rhythm: { cron: '30 2 * * *', timezone: 'Europe/Paris' } });
  job.now = at('2026-03-29 12:00');
  t.same(job.runUntil(job.now + MINUTE), ['2026-03-29 01:00:00']);
  t.equal(job.due, '2026-03-30 00:30:00');
});

const jumps = { 'two hours forward': 2 * HOUR, 'two hours back': -2 * HOUR };

for (const [name, jump] of Object.entries(jumps)) {
  for (const when of ['01:30', '02:59', '03:01', '04:30']) {
    t.test(`a daily job runs once a day when the clock jumps ${name} at ${when}`, async (t) => {
      const job = new Simulated(at('2026-01-01 12:00'), daily);
      const ticks = job.runUntil(at(`2026-01-03 ${when}`), { stepMs: MINUTE });
      job.now += jump;
      ticks.push(...job.runUntil(at('2026-01-05 12:00'), { stepMs: MINUTE }));
      t.same(ticks, ['2026-01-02 03:00:00', '2026-01-03 03:00:00', '2026-01-04 03:00:00', '2026-01-05 03:00:00']);
    });
  }

  t.test(`a job each minute neither storms nor waits for hours when the clock jumps ${name}`, async (t) => {
    const job = new Simulated(at('2026-01-01 12:00'));
    job.runUntil(at('2026-01-01 13:00'));
    job.now += jump;
    const ticks = job.runUntil(job.now + 10 * MINUTE);
    t.ok(ticks.length >= 9 && ticks.length <= 11, `${ticks.length} runs in ten minutes`);
    t.equal(new Set(ticks).size, ticks.length);
  });

  t.test(`so does one every 90 s when it jumps ${name}`, async (t) => {
    const job = new Simulated(at('2026-01-01 12:00'), { rhythm: { everyMs: 90 * SECOND } });
    job.runUntil(at('2026-01-01 13:00'));
    job.now += jump;
    const { length } = job.runUntil(job.now + 15 * MINUTE);
    t.ok(length >= 9 && length <= 11, `${length} runs in fifteen minutes`);
  });
}

t.test('a clock that jumps and is set right again changes nothing for a daily job', async (t) => {
  const job = new Simulated(at('2026-01-01 12:00'), daily);
  const ticks = job.runUntil(at('2026-01-02 02:00'), { stepMs: MINUTE });
  job.now += 2 * HOUR;
  ticks.push(...job.runUntil(job.now + 10 * MINUTE, { stepMs: MINUTE }));
  job.now -= 2 * HOUR;
  ticks.push(...job.runUntil(at('2026-01-04 00:00'), { stepMs: MINUTE }));
  t.same(ticks, ['2026-01-02 03:00:00', '2026-01-03 03:00:00']);
});

t.test('a clock that was years ahead is believed when it is set right', async (t) => {
  const job = new Simulated(at('2036-01-01 12:00'), daily);
  job.runUntil(at('2036-01-02 12:00'), { stepMs: MINUTE });
  job.now = at('2026-01-01 12:00');
  t.same(job.runUntil(at('2026-01-03 12:00'), { stepMs: MINUTE }), ['2026-01-02 03:00:00', '2026-01-03 03:00:00']);
});

t.test('clocks of machines that differ by less than a minute never double a tick', async () => {
  const skews = fc.array(fc.integer({ min: -30, max: 29 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(skews, (seconds) => {
      const start = at('2026-01-01 12:00');
      const job = new Simulated(start, { rhythm: { cron: '*/5 * * * * *', timezone: 'UTC' } });
      const ticks = seconds.flatMap((skew, index) => {
        job.now = start + 60_000 + index * SECOND + skew * SECOND;
        const run = job.begin();
        if (run) job.end('done');
        return run ? [run.scheduledAt] : [];
      });
      return ticks.every((tick, index) => index === 0 || tick > (ticks[index - 1] ?? ''));
    }),
  );
});
