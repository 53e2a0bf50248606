/**
 * What docs/cron.md promises of workers, on the real command: jobs run beside HTTP and harm nobody, whatever becomes of the
 * worker that runs them. cron.*.test.ts run it, one file a mode.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { get } from '../support/http.ts';
import { cronWorkersOf, overlaps, startCronSite } from '../support/cron-site.ts';
import { statusOf, told } from '../support/status.ts';
import { childrenOf, type Mode } from '../support/tricorn.ts';

const YEARLY = "schedule: '@yearly'";

export function crons(mode: Mode): void {
  runs(mode);
  blocked(mode);
  killed(mode);
  uncaught(mode);
  reloaded(mode);
  stopped(mode);
  alone(mode);
  recycled(mode);
}

/** How many processes run jobs where max_cron_threads is 2. */
function crewOf(mode: Mode): number {
  return mode === 'threaded' ? 1 : 2;
}

function runs(mode: Mode): void {
  t.test('a job runs every second and never beside itself; one that is triggered at once; HTTP goes on', async (t) => {
    const site = await startCronSite(t, {
      mode,
      jobs: `{
        often: { every: 1, run: noted(() => pass(1500)) },
        asked: { ${YEARLY}, run: noted() },
      }`,
    });
    const { server, noted, notes } = site;
    const crew = cronWorkersOf(site);
    t.equal(crew.length, crewOf(mode));
    for (const pid of crew) t.equal(nicenessOf(pid), 10);
    await noted({ job: 'often', what: 'end' }, 2);
    // Each loop has a store of its own.
    for (let count = 1; count <= 4; count += 1) {
      const { status, body } = await get(`${server.url}/trigger/asked`);
      t.equal(status, 200);
      const { pid, role } = await noted({ job: 'asked', what: 'end' }, count);
      t.equal(role, 'cron');
      t.ok(crew.includes(pid));
      t.notOk(crew.includes(Number(body)), 'no cron worker answers');
    }
    t.strictSame(overlaps(notes(), 'often'), []);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

function blocked(mode: Mode): void {
  t.test('a job that blocks its event loop is killed with its stack in the log, and taken up again', async (t) => {
    const site = await startCronSite(t, {
      mode,
      ini: 'poison_threshold = 1',
      jobs: `{
        blocks: { ${YEARLY}, timeout: 1, run: noted(async function hog({ attempt }) { while (attempt === 1); }) },
        other: { every: 1, run: noted() },
      }`,
    });
    const { server, noted, notes } = site;
    t.equal((await get(`${server.url}/trigger/blocks`)).status, 200);
    const first = await noted({ job: 'blocks', what: 'begin', attempt: 1 });
    const line = await server.line(/its job is over its timeout, does not end, and is killed/);
    t.match(line, { level: 60, stack: /at hog /, requests: [/^JOB blocks \(\d/] });
    const again = await noted({ job: 'blocks', what: 'end', attempt: 2 });
    t.ok(again.runId > first.runId);
    const meanwhile = notes().filter(({ job, at }) => job === 'other' && at > first.at && at < again.at);
    t.ok(
      meanwhile.length >= 8,
      'the other cron worker goes on: two notes a run, for 6 s and the wait before the retry',
    );
    t.equal((await get(server.url)).status, 200);
    t.notOk(server.lines.some(({ msg }) => msg.includes('answered 503')));
  });
}

function killed(mode: Mode): void {
  t.test('a run whose worker is killed by kill -9 is taken up at once', async (t) => {
    const site = await startCronSite(t, {
      mode,
      jobs: `{ long: { ${YEARLY}, run: noted(({ attempt }) => pass(attempt === 1 ? 60_000 : 1)) } }`,
    });
    const { server, noted } = site;
    await get(`${server.url}/trigger/long`);
    const { pid, runId } = await noted({ job: 'long', what: 'begin' });
    const before = childrenOf(server.pid);
    const at = Date.now();
    process.kill(pid, 'SIGKILL');
    const again = await noted({ job: 'long', what: 'end', attempt: 2 });
    t.ok(again.runId > runId);
    t.match(await server.line(/^The run 1 of the job long was lost: its worker is gone; it is run again at once/), {
      level: 40,
      role: 'cron',
      job: 'long',
      run: runId,
    });
    // Whoever is not woken looks once a minute; how much less a busy machine needs, docs/cron.md says.
    t.ok(again.at - at < 30_000, `after ${again.at - at} ms`);
    await server.line(/^cron worker \d \(pid \d+\) is ready$/);
    const http = before.filter((worker) => worker !== pid);
    t.ok(
      http.every((worker) => childrenOf(server.pid).includes(worker)),
      'nobody else has gone',
    );
  });
}

function uncaught(mode: Mode): void {
  t.test('an error that nobody caught fails the run that it belongs to, and costs no other', async (t) => {
    const site = await startCronSite(t, {
      mode,
      jobs: `{
        throws: { ${YEARLY}, retries: 0, run: noted(() => new Promise(() => setTimeout(() => { throw new Error('nobody'); }))) },
      }`,
    });
    const { server, noted } = site;
    await get(`${server.url}/trigger/throws`);
    await noted({ job: 'throws', what: 'begin' });
    t.match(await server.line(/^Uncaught error$/), { role: 'cron', request: 'JOB throws' });
    t.match(await server.line(/^The job throws has failed/), { job: 'throws', error: /nobody/ });
    t.equal((await get(server.url)).status, 200);
  });
}

function reloaded(mode: Mode): void {
  t.test('a reload changes what runs and when; what is not there any longer does not run', async (t) => {
    const site = await startCronSite(t, {
      mode,
      jobs: `{ old: { every: 1, run: noted() }, stays: { ${YEARLY}, run: noted() } }`,
    });
    const { server, noted, notes, deploy, command } = site;
    await noted({ job: 'old', what: 'end' });
    deploy(`{ stays: { every: 1, run: noted() } }`);
    server.kill('SIGHUP');
    await server.line(/^Reload: generation 2 serves/);
    const { at } = await noted({ job: 'stays', what: 'end' });
    await noted({ job: 'stays', what: 'end' }, 3);
    // One that had begun may have ended since.
    t.notOk(notes().some((note) => note.job === 'old' && note.what === 'begin' && note.at > at));
    t.match((await command('jobs')).stdout, /^old +gone/m);
    // Without any job there are no cron workers.
    deploy('{}');
    server.kill('SIGHUP');
    await server.line(/^Reload: generation 3 serves/);
    await server.line(/^Generation 2 has ended/);
    t.equal(cronWorkersOf(site).length, 0);
  });
}

function stopped(mode: Mode): void {
  t.test('a stop waits for a job within graceful_timeout', async (t) => {
    const site = await startCronSite(t, { mode, jobs: `{ long: { ${YEARLY}, run: noted(() => pass(2000)) } }` });
    const { server, noted, notes } = site;
    await get(`${server.url}/trigger/long`);
    await noted({ job: 'long', what: 'begin' });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.equal(notes().filter(({ what }) => what === 'end').length, 1);
    t.notOk(server.lines.some(({ level }) => level >= 40));
  });

  t.test('one that does not end in time is told by its signal, and taken up by the next', async (t) => {
    const site = await startCronSite(t, {
      mode,
      ini: 'graceful_timeout = 1',
      jobs: `{ long: { ${YEARLY}, run: noted((job) => new Promise((resolve) => {
        if (job.attempt > 1) resolve();
        job.signal.addEventListener('abort', () => { note('signal', job); resolve(); });
      })) } }`,
    });
    const { server, noted } = site;
    await get(`${server.url}/trigger/long`);
    await noted({ job: 'long', what: 'begin' });
    server.kill('SIGHUP');
    await noted({ job: 'long', what: 'signal' });
    await noted({ job: 'long', what: 'end', attempt: 2 });
    await server.line(/^The run 1 of the job long has ended by its signal: its worker stops; it is run again$/);
    t.notOk(server.lines.some(({ level }) => level >= 40));
  });

  t.test('one that does not heed its signal is cut, and the log names it', async (t) => {
    const site = await startCronSite(t, {
      mode,
      ini: 'graceful_timeout = 1',
      jobs: `{ deaf: { ${YEARLY}, run: noted(({ attempt }) => attempt > 1 || pass(60_000)) } }`,
    });
    const { server, noted } = site;
    await get(`${server.url}/trigger/deaf`);
    await noted({ job: 'deaf', what: 'begin' });
    server.kill('SIGHUP');
    t.match(await server.line(/^The run 1 of the job deaf is cut: its worker stops/), {
      level: 40,
      job: 'deaf',
      run: 1,
    });
    await noted({ job: 'deaf', what: 'end', attempt: 2 });
  });
}

function alone(mode: Mode): void {
  t.test('--no-http: jobs run', async (t) => {
    const site = await startCronSite(t, {
      mode,
      flags: ['--no-http'],
      jobs: '{ often: { every: 1, run: noted() } }',
    });
    const { server, noted } = site;
    t.equal(childrenOf(server.pid).length, crewOf(mode));
    t.match(await statusOf(server), { ready: 2, wanted: 2 });
    await noted({ job: 'often', what: 'end' }, 2);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

function recycled(mode: Mode): void {
  t.test('recycle cron-1: a cron worker is replaced, and its job may finish', async (t) => {
    const jobs = `{ long: { ${YEARLY}, run: noted(async () => { while (!existsSync('go')) await pass(20); }) } }`;
    const site = await startCronSite(t, { mode, jobs, more: "import { existsSync } from 'node:fs';" });
    const { server, noted, folder } = site;
    t.match((await server.control('status')).stdout, /^cron-1 +\d+ +cron +ready/m);
    const before = cronWorkersOf(site);
    await get(`${server.url}/trigger/long`);
    await noted({ job: 'long', what: 'begin' });
    t.match(await told(server, 'stacks'), /^worker cron-\d .*JOB long|in flight: JOB long/m);
    t.match(await server.control('recycle', 'cron-1'), { code: 0 });
    await server.line(/^cron worker 1 .* is due to be recycled: it was asked for/);
    writeFileSync(join(folder, 'go'), '');
    await server.line(/^cron worker 1 .* has ended$/);
    t.equal(before.filter((pid) => cronWorkersOf(site).includes(pid)).length, crewOf(mode) - 1);
    await noted({ job: 'long', what: 'end', attempt: 1 });
    t.match(await server.control('recycle', 'cron-9'), { code: 6, stderr: /There is no worker cron-9 .* cron-1/ });
  });
}

function nicenessOf(pid: number): number {
  // The name, in brackets, may hold anything; the 17th field after it.
  const [, rest = ''] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
  return Number(rest.split(' ')[16]);
}
