/**
 * A cron worker that wears out, leaks, hangs or crashes: it is replaced, its run is taken up again, and neither HTTP nor the
 * other cron worker notices. cron-limits.*.test.ts run it, one file a mode.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { cronWorkersOf, startCronSite, type CronSite } from '../support/cron-site.ts';
import { childrenOf, type LogLine, type Mode } from '../support/tricorn.ts';

const YEARLY = "schedule: '@yearly'";
const MIB = 1024 * 1024;

export function cronLimits(mode: Mode): void {
  aged(mode);
  stuck(mode);
  soft(mode);
  hard(mode);
  crashed(mode);
  overdue(mode);
  crashLoop(mode);
}

interface Besides extends CronSite {
  /** Whether the job that ran in the other worker has ended in its first run, and HTTP workers are as they were. */
  unharmed(t: Test): Promise<void>;
}

/** A site whose first cron worker has a job that goes on until the end of the test; `job` is for the second. */
async function besides(t: Test, options: { mode: Mode; ini: string; job: string; more?: string }): Promise<Besides> {
  const { mode, ini, job, more = '' } = options;
  const site = await startCronSite(t, {
    mode,
    ini: `graceful_timeout = 60\nlimit_request_jitter = 0\n${ini}`,
    more: `
      import { existsSync } from 'node:fs';
      const beside = async () => { while (!existsSync('go')) await pass(20); };
      ${more}`,
    jobs: `{
      beside: { ${YEARLY}, timeout: 0, run: noted(beside) },
      job: { ${YEARLY}, timeout: 300, run: noted(async function culprit(job) { ${job} }) },
    }`,
  });
  const { server, noted, notes, folder } = site;
  const crew = cronWorkersOf(site);
  const http = childrenOf(server.pid).filter((pid) => !crew.includes(pid));
  await get(`${server.url}/trigger/beside`);
  await noted({ job: 'beside', what: 'begin' });
  await get(`${server.url}/trigger/job`);
  const unharmed = async (t: Test): Promise<void> => {
    t.equal((await get(server.url)).status, 200);
    const children = childrenOf(server.pid);
    t.strictSame(
      http.filter((pid) => !children.includes(pid)),
      [],
    );
    writeFileSync(join(folder, 'go'), '');
    t.match(await noted({ job: 'beside', what: 'end' }), { attempt: 1 });
    t.equal(notes().filter((note) => note.job === 'beside' && note.what === 'begin').length, 1);
  };
  return { ...site, unharmed };
}

function aged(mode: Mode): void {
  t.test('limit_time_worker_cron: recycled at that age, once its job has ended, however long that takes', async (t) => {
    const site = await startCronSite(t, {
      mode,
      ini: 'graceful_timeout = 1\nlimit_time_worker_cron = 3\nlimit_request_jitter = 0',
      more: "const told = (job) => job.signal.addEventListener('abort', () => note('signal', job));",
      jobs: `{ long: { ${YEARLY}, run: noted((job) => { told(job); return pass(4000); }) } }`,
    });
    const { server, noted, notes } = site;
    // The other one is recycled at its age, so this one is, too, as soon as it may. Younger, they would be too old on a busy
    // machine before they have asked the store for a job.
    await get(`${server.url}/trigger/long`);
    const { at } = await noted({ job: 'long', what: 'begin' });
    await server.line(/is due to be recycled: limit_time_worker_cron: \d+ s old/);
    await noted({ job: 'long', what: 'end', attempt: 1 });
    await server.line(/is due to be recycled: limit_time_worker_cron: ([4-9]|\d\d+) s old/);
    t.strictSame(
      notes().map(({ what }) => what),
      ['begin', 'end'],
    );
    t.equal(server.lines.filter(({ level }) => level >= 40).length, 0, `since ${at}`);
    await get(`${server.url}/trigger/long`);
    await noted({ job: 'long', what: 'begin', attempt: 1 }, 2);
  });
}

function stuck(mode: Mode): void {
  const cases = [
    ['limit_time_cpu', 'for (;;);'],
    ['limit_time_real_cron', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);'],
  ] as const;
  for (const [limit, code] of cases) {
    t.test(`${limit}: a job that blocks its event loop so long is killed, with its stack in the log`, async (t) => {
      // More than a busy machine keeps a loop waiting that is well.
      const site = await besides(t, { mode, ini: `${limit} = 3`, job: `if (job.attempt === 1) ${code}` });
      const { server, noted } = site;
      await server.line(new RegExp(`its event loop has been blocked for .* over ${limit};`));
      const killed = await server.line(/its event loop is stuck and is killed/);
      t.match(killed, { level: 60, role: 'cron', requests: [/^JOB job \(/], stack: /at culprit/ });
      await noted({ job: 'job', what: 'end', attempt: 2 });
      await site.unharmed(t);
    });
  }
}

function soft(mode: Mode): void {
  t.test('limit_memory_soft: recycled; its job may finish', async (t) => {
    const site = await besides(t, {
      mode,
      ini: 'limit_memory_soft = 400MiB',
      more: 'const kept = [];',
      job: `
        kept.push(Buffer.alloc(${450 * MIB}, 1));
        await pass(3000);`,
    });
    const { server, noted } = site;
    const isWorn = ({ msg, reason }: LogLine): boolean =>
      /is due to be recycled/.test(msg) && /^limit_memory_soft: \d+ MiB/.test(String(reason));
    await server.line(isWorn);
    await noted({ job: 'job', what: 'end', attempt: 1 });
    // In threaded mode the memory is that of all threads, so all are replaced; each gets its time.
    await site.unharmed(t);
    await server.line(/^(cron worker|thread) \d.* has ended$/);
  });
}

function hard(mode: Mode): void {
  t.test('limit_memory_hard: the worker that leaks is ended at once', async (t) => {
    const site = await besides(t, {
      mode,
      ini: 'limit_memory_soft = 0\nlimit_memory_hard = 500MiB',
      more: 'const kept = [];',
      // Of the heap, for that is what threads have a limit of their own for.
      job: 'while (job.attempt === 1) { kept.push(new Array(100_000).fill(job.runId + kept.length / 3)); await pass(1); }',
    });
    const { server, noted } = site;
    if (mode === 'threaded') await server.line(/^thread \d died: .*memory/);
    else t.match(await server.line(/limit_memory_hard: \d+ MiB, killed/), { requests: [/^JOB job/] });
    await noted({ job: 'job', what: 'end', attempt: 2 });
    await site.unharmed(t);
  });
}

function crashed(mode: Mode): void {
  t.test('process.exit() in a job: said once, with who called it; the run is taken up again', async (t) => {
    const site = await besides(t, { mode, ini: '', job: 'if (job.attempt === 1) process.exit(7);' });
    const { server, noted } = site;
    const line = await server.line(/^process\.exit\(7\) was called$/);
    t.match(line, { role: 'cron', request: 'JOB job', stack: /at culprit/ });
    await noted({ job: 'job', what: 'end', attempt: 2 });
    await site.unharmed(t);
  });

  t.test('process.abort() in a job', async (t) => {
    const site = await besides(t, { mode, ini: '', job: 'if (job.attempt === 1) process.abort();' });
    const { server, noted } = site;
    if (mode === 'threaded') {
      // Node has none in threads: it throws.
      t.match(await server.line(/^The job job has failed/), { error: /abort\(\) is not supported in workers/ });
    } else {
      await server.line(/^cron worker \d \(pid \d+\) died: signal SIGABRT; it is replaced/);
      await noted({ job: 'job', what: 'end', attempt: 2 });
    }
    await site.unharmed(t);
  });
}

function overdue(mode: Mode): void {
  t.test(
    'over its timeout: its signal fires; a job that does not heed it is killed, without blocking anything',
    async (t) => {
      const jobs = `{
      heeds: { ${YEARLY}, timeout: 1, run: noted((job) => new Promise((_, reject) => {
        job.signal.addEventListener('abort', () => reject(job.signal.reason));
      })) },
      deaf: { ${YEARLY}, timeout: 1, run: noted((job) => job.attempt === 1 && new Promise((resolve) => setTimeout(resolve, 1e6))) },
    }`;
      const site = await startCronSite(t, { mode, jobs });
      const { server, noted, command, jobsUntil } = site;
      const historyOf = async (name: string): Promise<unknown> =>
        JSON.parse((await command('jobs', 'history', name, '--json')).stdout);
      await get(`${server.url}/trigger/heeds`);
      await server.line(/^The job heeds was over its timeout/);
      t.match(await historyOf('heeds'), { runs: [{ outcome: 'timeout', error: /the job has run into its timeout/ }] });
      t.notOk(server.lines.some(({ level }) => level >= 50));
      await command('pause', 'heeds');
      await get(`${server.url}/trigger/deaf`);
      t.match(await server.line(/its job is over its timeout, does not end, and is killed/), {
        requests: [/^JOB deaf/],
      });
      await noted({ job: 'deaf', what: 'end', attempt: 2 });
      await jobsUntil(({ deaf }) => deaf?.last?.outcome === 'done');
      t.match(await historyOf('deaf'), { runs: [{ outcome: 'done' }, { outcome: 'lost', runId: 1 }] });
      t.equal((await get(server.url)).status, 200);
    },
  );
}

/** Where there is no HTTP the cron workers are the service. */
function crashLoop(mode: Mode): void {
  t.test('--no-http: a crash loop is said, and exit_on_crash_loop ends the service', async (t) => {
    const jobs = `{ job: { ${YEARLY}, run: () => {} } }`;
    const more = `
      import { existsSync } from 'node:fs';
      globalThis.starting = () => { if (existsSync('broken')) throw new Error('broken'); };`;
    const flags = ['--no-http', '--crash-loop-limit=2', '--exit-on-crash-loop'];
    const { server, folder } = await startCronSite(t, { mode, jobs, more, flags });
    writeFileSync(join(folder, 'broken'), '');
    for (const pid of server.workers()) process.kill(pid, 'SIGKILL');
    t.strictSame(await server.ended, [3, null]);
    t.match(await server.line(/^crash loop: 2 starts in a row failed/), { level: 60, code: 'TRC_CRASH_LOOP' });
  });
}
