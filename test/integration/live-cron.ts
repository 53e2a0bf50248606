/**
 * What `tricorn reload --live` does to cron workers: jobs that go on are judged by the new settings, and none is lost or run twice
 * for it. live-cron.*.test.ts run it, one file a mode.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cronWorkersOf, startCronSite, type CronSite, type CronSiteOptions } from '../support/cron-site.ts';
import { get } from '../support/http.ts';
import type { LogLine, Mode } from '../support/tricorn.ts';

const YEARLY = "schedule: '@yearly'";
/** Its jobs end when the test says `go`, or as their signal tells them. */
const MORE = `
  import { existsSync } from 'node:fs';
  const until = (file) => async ({ signal }) => {
    while (!existsSync(file)) {
      signal.throwIfAborted();
      await pass(20);
    }
  };`;

interface Running extends CronSite {
  /** Writes these lines into the ini, and has them applied. @returns what the command says */
  apply(...lines: readonly string[]): Promise<string>;
  trigger(job: string): Promise<void>;
  /** Lets jobs that wait for that file go on. */
  touch(file: string): void;
}

async function start(t: Test, options: CronSiteOptions): Promise<Running> {
  const site = await startCronSite(t, { more: MORE, ...options });
  const { folder, server } = site;
  const apply = async (...lines: readonly string[]): Promise<string> => {
    writeFileSync(join(folder, 'tricorn.ini'), ['[options]', ...lines].join('\n'));
    const { code, stdout, stderr } = await server.control('reload', '--live');
    return `${code}: ${stdout}${stderr}`;
  };
  return {
    ...site,
    apply,
    trigger: async (job) => {
      const { status, body } = await get(`${server.url}/trigger/${job}`);
      if (status !== 200) throw new Error(`${job} is not triggered: ${body}`);
    },
    touch: (file) => writeFileSync(join(folder, file), ''),
  };
}

export function liveCron(mode: Mode): void {
  timeouts(mode);
  crew(mode);
  age(mode);
  heap(mode);
}

function timeouts(mode: Mode): void {
  const settings = {
    limit_time_real_cron: ['limit_time_real_cron = 600', 'limit_time_real_cron = 0.5'],
    'limit_time_real, where that is the limit of jobs, too': ['limit_time_real = 600', 'limit_time_real = 0.5'],
  } as const;
  for (const [name, [before, after]] of Object.entries(settings)) {
    t.test(`${name}: of jobs that name no timeout, also of a run that goes on`, async (t) => {
      const jobs = `{
        default: { ${YEARLY}, run: noted(until('never')) },
        own: { ${YEARLY}, timeout: 300, run: noted(until('go')) },
      }`;
      const site = await start(t, { mode, jobs, ini: before });
      const { server, apply, trigger, noted, notes, touch, command } = site;
      await trigger('own');
      await noted({ job: 'own', what: 'begin' });
      await trigger('default');
      await noted({ job: 'default', what: 'begin' });
      t.match(await apply(after), new RegExp(`^0: reload done: ${after} s$`, 'm'));
      await server.line(/^The job default was over its timeout/);
      await noted({ job: 'default', what: 'begin', attempt: 2 });
      await server.count(/^The job default was over its timeout/, 2);
      await command('pause', 'default');
      touch('go');
      await noted({ job: 'own', what: 'end', attempt: 1 });
      t.equal(notes().filter(({ job, what }) => job === 'own' && what === 'begin').length, 1);
      t.notOk(
        server.lines.some(({ level }) => level >= 50),
        'nobody was killed',
      );
    });
  }

  t.test('limit_time_real_cron: one that does not heed its signal is killed by the new one, too', async (t) => {
    const jobs = `{ deaf: { ${YEARLY}, run: noted((job) => job.attempt === 1 && new Promise((end) => setTimeout(end, 1e6))) } }`;
    const { server, apply, trigger, noted } = await start(t, { mode, jobs, ini: 'limit_time_real_cron = 0' });
    await trigger('deaf');
    await noted({ job: 'deaf', what: 'begin' });
    t.match(await apply('limit_time_real_cron = 0.5'), /^0: /);
    t.match(await server.line(/its job is over its timeout, does not end, and is killed/), { requests: [/^JOB deaf/] });
    await noted({ job: 'deaf', what: 'end', attempt: 2 });
  });
}

/** Whether a cron worker, or a thread of one, has ended. */
const HAS_ENDED = ({ msg, role, thread }: LogLine): boolean =>
  /^cron worker .* has ended/.test(msg) || (role === 'cron' && thread !== undefined && / has ended/.test(msg));

function crew(mode: Mode): void {
  t.test('max_cron_threads: more run at once, and of those that are too many each ends its run', async (t) => {
    const jobs = `{
      ${['a', 'b', 'c'].map((name) => `${name}: { ${YEARLY}, run: noted(until('go')) }`).join()},
      often: { every: 3000, run: noted() },
    }`;
    const site = await start(t, { mode, jobs, ini: 'max_cron_threads = 1' });
    const { server, apply, trigger, noted, notes, touch } = site;
    const [first] = cronWorkersOf(site);
    for (const job of ['a', 'b', 'c']) await trigger(job);
    await noted({ what: 'begin' });
    const declared = await site.jobs();
    t.equal(notes().length, 1, 'one at a time');
    t.match(await apply('max_cron_threads = 3'), /^0: reload done: max_cron_threads = 3$/m);
    for (const job of ['a', 'b', 'c']) await noted({ job, what: 'begin' });
    t.equal(cronWorkersOf(site).length, mode === 'threaded' ? 1 : 3);
    t.ok(cronWorkersOf(site).includes(first ?? 0), 'the one that was there stays');
    t.match(await apply('max_cron_threads = 1'), /^0: reload done: max_cron_threads = 1$/m);
    t.equal(server.lines.filter(HAS_ENDED).length, 0, 'each still has its run');
    touch('go');
    for (const job of ['a', 'b', 'c']) await noted({ job, what: 'end' });
    await server.count(HAS_ENDED, 2);
    t.strictSame(cronWorkersOf(site), [first]);
    t.strictSame(
      notes().filter(({ attempt, runId }) => attempt !== 1 || runId !== 1),
      [],
    );
    t.equal(notes().length, 6, 'each ran once');
    t.strictSame((await site.jobs())['often'], declared['often'], 'none is declared anew');
  });

  t.test('max_cron_threads: none, and some again', async (t) => {
    const jobs = `{ a: { ${YEARLY}, run: noted(until('go')) }, b: { ${YEARLY}, run: noted() } }`;
    const site = await start(t, { mode, jobs, ini: '' });
    const { server, apply, trigger, noted, notes, touch } = site;
    await trigger('a');
    await noted({ job: 'a', what: 'begin' });
    t.match(await apply('max_cron_threads = 0'), /^0: reload done: max_cron_threads = 0$/m);
    touch('go');
    await noted({ job: 'a', what: 'end', attempt: 1 });
    await server.count(/^cron worker .* has ended/, mode === 'threaded' ? 1 : 2);
    t.strictSame(cronWorkersOf(site), []);
    await trigger('b');
    t.match(await site.jobs(), { a: { state: 'waiting' }, b: { state: 'waiting' } }, 'none is gone');
    t.match(await apply('max_cron_threads = 2'), /^0: reload done: max_cron_threads = 2$/m);
    await noted({ job: 'b', what: 'end', attempt: 1 });
    t.equal(notes().length, 4, 'each ran once');
    t.notOk(server.lines.some(({ level }) => level >= 40));
  });

  t.test('max_cron_threads: none at the start, and then some', async (t) => {
    const jobs = `{ often: { every: 1, run: noted() } }`;
    const { apply, noted } = await start(t, { mode, jobs, ini: 'max_cron_threads = 0' });
    t.match(await apply(), /^0: reload done: max_cron_threads = 2$/m);
    await noted({ job: 'often', what: 'end' });
  });
}

function age(mode: Mode): void {
  t.test('limit_time_worker_cron: those that are older are replaced, each after its run', async (t) => {
    const jobs = `{ a: { ${YEARLY}, run: noted(until('go')) } }`;
    const { server, apply, trigger, noted, notes, touch } = await start(t, { mode, jobs, ini: '' });
    await trigger('a');
    await noted({ job: 'a', what: 'begin' });
    // Time enough for each to boot, to publish its jobs and to take one: it takes none when it is too old.
    t.match(await apply('limit_time_worker_cron = 5'), /^0: reload done: limit_time_worker_cron = 5 s$/m);
    // The one that runs no job.
    await server.line(/is due to be recycled: limit_time_worker_cron: /);
    t.equal(notes().length, 1);
    touch('go');
    await noted({ job: 'a', what: 'end', attempt: 1 });
    await trigger('a');
    await noted({ job: 'a', what: 'end' }, 2);
    t.equal(notes().filter(({ attempt }) => attempt > 1).length, 0);
  });
}

function heap(mode: Mode): void {
  if (mode !== 'threaded') return;
  t.test('limit_memory_hard: the threads that run jobs are replaced, too, each after its run', async (t) => {
    const jobs = `{ a: { ${YEARLY}, run: noted(until('go')) } }`;
    const site = await start(t, { mode, jobs, ini: '' });
    const { server, apply, trigger, noted, notes, touch } = site;
    const isDue = ({ role, reason }: LogLine): boolean =>
      role === 'cron' && String(reason).startsWith('limit_memory_hard: ');
    const [pid] = cronWorkersOf(site);
    await trigger('a');
    await noted({ job: 'a', what: 'begin' });
    t.match(await apply('limit_memory_hard = 800MiB'), /^0: reload done: limit_memory_hard = 800 MiB$/m);
    await server.line(isDue);
    await server.line(HAS_ENDED);
    t.equal(server.lines.filter(isDue).length, 1);
    touch('go');
    await noted({ job: 'a', what: 'end', attempt: 1 });
    await server.count(isDue, 2);
    await server.count(HAS_ENDED, 2);
    await trigger('a');
    await noted({ job: 'a', what: 'end', attempt: 1, pid: pid ?? 0 }, 2);
    t.equal(notes().length, 4, 'none was run twice');
  });
}
