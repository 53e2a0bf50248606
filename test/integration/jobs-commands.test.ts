/** `tricorn jobs`, `run`, `pause` and `resume`, on the real command. */
import t from 'tap';
import { startCronSite } from '../support/cron-site.ts';

const YEARLY = "schedule: '@yearly'";

t.test('the commands about jobs', async (t) => {
  const site = await startCronSite(t, {
    mode: 'evented',
    jobs: `{
      asked: { ${YEARLY}, run: noted() },
      fails: { ${YEARLY}, run: noted(() => { throw new Error('not today'); }) },
      rests: { ${YEARLY}, paused: true, run: noted() },
    }`,
  });
  const { command, noted } = site;

  await t.test('jobs: a table', async (t) => {
    const { code, stdout, stderr } = await command('jobs');
    t.strictSame([code, stderr], [0, '']);
    const [head = '', ...rows] = stdout.trim().split('\n');
    t.match(head, /^job +state +next +last +took +outcome +failures +running$/);
    t.strictSame(
      rows.map((row) => row.split(/ +/).slice(0, 2)),
      [
        ['asked', 'waiting'],
        ['fails', 'waiting'],
        ['rests', 'paused'],
      ],
    );
  });

  await t.test('run: triggers; with --wait, it tells how the run has ended', async (t) => {
    t.match(await command('run', 'asked'), { code: 0, stdout: 'asked is triggered\n' });
    await noted({ job: 'asked', what: 'end' });
    t.match(await command('run', 'asked', '--wait'), { code: 0, stdout: /^asked: run 2 by cron \d on \S+: done\n$/ });
    t.match(await command('run', 'fails', '--wait'), { code: 1, stdout: /: failed\nError: not today\n/ });
  });

  await t.test('jobs history: the newest first', async (t) => {
    const { stdout } = await command('jobs', 'history', 'asked', '--json');
    t.match(JSON.parse(stdout), { runs: [{ runId: 2, outcome: 'done' }, { runId: 1 }] });
    t.match(await command('jobs', 'history', 'fails'), { code: 0, stdout: /failed .*Error: not today/ });
  });

  await t.test('pause and resume', async (t) => {
    t.match(await command('run', 'rests', '--wait'), {
      code: 6,
      stdout: 'rests is paused: it runs once it is resumed\n',
    });
    t.match(await command('resume', 'rests'), { code: 0, stdout: 'rests is resumed\n' });
    await noted({ job: 'rests', what: 'end' });
    t.match(await command('pause', 'rests'), { code: 0, stdout: 'rests is paused\n' });
    t.match((await command('jobs')).stdout, /^rests +paused/m);
  });

  await t.test('mistakes', async (t) => {
    t.match(await command('run', 'aksed'), { code: 2, stderr: /no job aksed.*asked.*\(TRC_JOB_UNKNOWN\)/s });
    t.match(await command('run'), { code: 2, stderr: /usage: tricorn run JOB/ });
    t.match(await command('jobs', '--wiat'), { code: 2, stderr: /--wiat/ });
    t.match(await command('jobs', '--data-dir=elsewhere'), { code: 4, stderr: /does not exist.*\(TRC_STORE\)/s });
    t.match(await command('pause', '--help'), { code: 0, stdout: /^Usage: tricorn pause JOB/ });
  });
});
