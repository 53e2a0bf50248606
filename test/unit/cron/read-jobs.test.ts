import t from 'tap';
import { readJobs } from '../../../src/cron/read-jobs.ts';
import { TricornError } from '../../../src/errors.ts';

const context = { app: '/app.ts', now: Date.parse('2026-01-01T00:00:00Z') };
const run = (): void => undefined;

/** The lines of the mistakes in a job; empty where there are none. */
function mistakes(job: unknown, name = 'job'): string[] {
  return mistakesOf({ [name]: job });
}

function mistakesOf(cron: unknown): string[] {
  try {
    readJobs(cron, context);
    return [];
  } catch (error) {
    if (!(error instanceof TricornError) || error.code !== 'TRC_JOBS' || error.exitCode !== 3) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
}

t.test('what is left out has its default, but for the timeout, whose default may change', async (t) => {
  t.same(readJobs({ job: { schedule: '0 7 * * 1-5', run } }, context).get('job'), {
    run,
    spec: {
      name: 'job',
      rhythm: { cron: '0 7 * * 1-5', timezone: 'UTC' },
      timeout: undefined,
      priority: 5,
      missed: 'once',
      retries: 0,
      paused: false,
    },
  });
});

t.test('what is given is taken', async (t) => {
  const given = { timeout: '10m', priority: 0, missed: 'all', retries: 3, paused: true };
  t.match(readJobs({ job: { every: '90 s', run, ...given } }, context).get('job')?.spec, {
    ...given,
    rhythm: { everyMs: 90_000 },
    timeout: 600,
  });
  t.match(readJobs({ job: { schedule: '@daily', timezone: 'Europe/Paris', run } }, context).get('job')?.spec, {
    rhythm: { cron: '@daily', timezone: 'Europe/Paris' },
  });
  t.equal(readJobs({}, context).size, 0);
});

t.test('each mistake is told by job and field, with what is allowed', async (t) => {
  const schedule = '@daily';
  const wrong: [unknown, RegExp][] = [
    [
      { schedule: '61 * * * *', run },
      /job job: schedule is "61 \* \* \* \*"; it must be five fields .*Invalid value for minute: 61/,
    ],
    [{ schedule: '* * * *', run }, /schedule is .*; it must be five fields/],
    [{ schedule: '2026-01-01T00:00:00', run }, /schedule is .*; it must be five fields/],
    [{ schedule: '0 0 31 2 *', run }, /never comes/],
    [{ schedule: '@reboot', run }, /schedule is "@reboot"; it must be/],
    [{ schedule: 5, run }, /schedule is 5; it must be/],
    [
      { schedule, timezone: 'Europe/Nowhere', run },
      /timezone is "Europe\/Nowhere"; it must be the name of a time zone/,
    ],
    [{ schedule, timezone: 1, run }, /timezone is 1;/],
    [{ every: '0.5 s', run }, /every is "0.5 s"; it must be a duration from 1 to 31622400 seconds/],
    [{ every: '5 days', run }, /every is "5 days";/],
    [{ every: Number.NaN, run }, /every is null;/],
    [{ every: 5, timezone: 'UTC', run }, /timezone goes with schedule/],
    [{ run }, /neither schedule nor every/],
    [{ schedule, every: 5, run }, /both schedule and every/],
    [{ schedule }, /run is undefined; it must be a function/],
    [{ schedule, run: 'x' }, /run is "x"; it must be a function/],
    [{ schedule, run, timeout: -1 }, /timeout is -1; it must be a duration from 0 to 604800/],
    [{ schedule, run, priority: 1.5 }, /priority is 1.5; it must be an integer from 0 to 1000/],
    [{ schedule, run, retries: 101 }, /retries is 101; it must be an integer from 0 to 100/],
    [{ schedule, run, missed: 'never' }, /missed is "never"; it must be one of once, skip, all/],
    [{ schedule, run, paused: 'no' }, /paused is "no"; it must be true or false/],
    [{ schedule, run, timezome: 'UTC' }, /there is no field timezome; did you mean timezone/],
    [run, /it is a function; it must be an object/],
  ];
  for (const [job, message] of wrong) {
    const told = mistakes(job);
    t.equal(told.length, 1, told.join(' | '));
    t.match(told[0], message);
  }
});

t.test('all mistakes of all jobs at once', async (t) => {
  const told = mistakesOf({ a: { every: 0, run, retries: -1 }, 'b c': { schedule: '@daily', run }, d: null });
  t.equal(told.length, 4);
  t.match(told.join('\n'), /job a: every[^]*job a: retries[^]*job b c: a name must be[^]*job d: it is null/);
});

t.test('what is no set of jobs at all', async (t) => {
  t.match(mistakesOf([]), [/cron is \[\]; it must be an object/]);
  t.match(mistakesOf('x'), [/cron is "x"/]);
  t.match(mistakesOf(null), [/cron is null/]);
});
