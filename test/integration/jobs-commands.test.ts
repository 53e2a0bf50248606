/** `tricorn jobs`, `run`, `pause` and `resume`, on the real command. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
      exits: { ${YEARLY}, run: noted(() => process.exit(7)) },
    }`,
  });
  const { command, noted } = site;
  // Neither a start nor a reload waits for its store for ever.
  while (!(await command('jobs')).stdout.includes('rests'));

  await t.test('jobs: a table', async (t) => {
    const { code, stdout, stderr } = await command('jobs');
    t.strictSame([code, stderr], [0, '']);
    const [head = '', ...rows] = stdout.trim().split('\n');
    t.match(head, /^job +state +next +last +took +outcome +failures +running$/);
    t.strictSame(
      rows.map((row) => row.split(/ +/).slice(0, 2)),
      [
        ['asked', 'waiting'],
        ['exits', 'waiting'],
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
      stdout: 'rests is paused: it runs once it is resumed, by `tricorn resume rests`\n',
    });
    t.match(await command('resume', 'rests'), { code: 0, stdout: 'rests is resumed\n' });
    await noted({ job: 'rests', what: 'end' });
    // It has said so itself; that it has ended is written down later.
    while ((await site.jobs())['rests']?.state === 'running');
    t.match(await command('pause', 'rests'), { code: 0, stdout: 'rests is paused\n' });
    t.match((await command('jobs')).stdout, /^rests +paused/m);
  });

  await t.test('--json: the job, and what has become of it', async (t) => {
    const saidOf = async (...args: string[]): Promise<unknown> => JSON.parse((await command(...args, '--json')).stdout);
    t.strictSame(await saidOf('run', 'rests'), { name: 'rests', outcome: 'paused' });
    t.strictSame(await saidOf('resume', 'rests'), { name: 'rests', outcome: 'done' });
    t.strictSame(await saidOf('pause', 'rests'), { name: 'rests', outcome: 'done' });
    t.strictSame(await saidOf('run', 'asked'), { name: 'asked', outcome: 'triggered' });
  });

  await t.test('run --wait: a run that loses its worker is followed until it is given up', async (t) => {
    const { code, stdout, stderr } = await command('run', 'exits', '--wait');
    t.match({ code, stdout }, { code: 1, stdout: /^exits: run 4 by cron \d on \S+: lost: its worker is gone\n$/ });
    t.match(stderr, /^exits: run 3 was lost: its worker is gone; it is run again in \d+ s$/m);
  });

  await t.test('no cron worker: said, as far as it can be known', async (t) => {
    writeFileSync(join(site.folder, 'none.ini'), '[options]\nmax_cron_threads = 0');
    const { code, stderr } = await command('run', 'asked', '-c', 'none.ini');
    t.match({ code, stderr }, { code: 0, stderr: /^asked: max_cron_threads is 0 here, so / });
  });

  await t.test('a job that is gone: refused, and nothing is changed', async (t) => {
    site.deploy('{ asked: { every: 3600, run: noted() } }');
    t.match(await site.server.control('reload'), { code: 0 });
    while ((await site.jobs())['fails']?.state !== 'gone');
    for (const args of [
      ['run', 'rests'],
      ['run', 'rests', '--wait'],
      ['pause', 'fails'],
      ['resume', 'fails'],
    ]) {
      const said = new RegExp(`^${args[1]} is gone: .* To ${args[0]} it, start or reload an app that has it\n$`);
      t.match(await command(...args), { code: 6, stdout: said }, args.join(' '));
    }
    t.strictSame(JSON.parse((await command('run', 'rests', '--json')).stdout), { name: 'rests', outcome: 'gone' });
  });

  await t.test('mistakes', async (t) => {
    t.match(await command('run', 'aksed'), { code: 2, stderr: /no job aksed.*asked.*\(TRC_JOB_UNKNOWN\)/s });
    t.match(await command('run'), { code: 2, stderr: /usage: tricorn run JOB/ });
    t.match(await command('jobs', '--wiat'), { code: 2, stderr: /--wiat/ });
    t.match(await command('jobs', '--data-dir=elsewhere'), { code: 4, stderr: /does not exist.*\(TRC_STORE\)/s });
    t.match(await command('pause', '--help'), {
      code: 0,
      stdout: /^Usage: tricorn pause JOB[^]*^ {2}4 {5,}the store /m,
    });
  });
});
