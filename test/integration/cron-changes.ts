/**
 * Which generation decides about the jobs: the newest of those that have come to serve. cron-changes.*.test.ts run it, one file
 * a mode.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cronWorkersOf, startCronSite } from '../support/cron-site.ts';
import type { Mode } from '../support/tricorn.ts';

const YEARLY = "schedule: '@yearly'";

export function cronChanges(mode: Mode): void {
  emptied(mode);
  stranger(mode);
  failed(mode);
  canary(mode);
  rolledBack(mode);
}

function emptied(mode: Mode): void {
  t.test('an app that has no job any longer: all are gone, and come back with it', async (t) => {
    const site = await startCronSite(t, { mode, jobs: '{ often: { every: 1, run: noted() } }' });
    const { server, noted, notes, deploy, jobsUntil } = site;
    await noted({ job: 'often', what: 'end' });
    deploy('{}');
    t.match(await server.control('reload'), { code: 0 });
    t.match(await jobsUntil(({ often }) => often?.state === 'gone'), { often: { nextAt: null } });
    await server.line(/^Generation 1 has ended/);
    t.equal(cronWorkersOf(site).length, 0);
    const before = notes().length;
    deploy('{ often: { every: 1, run: noted() } }');
    t.match(await server.control('reload'), { code: 0 });
    t.match(await jobsUntil(({ often }) => often?.state !== 'gone'), { often: { state: /waiting|running/ } });
    await noted({ job: 'often', what: 'end' }, Math.floor(before / 2) + 1);
  });

  t.test('the same without HTTP, and at a restart with a store of its own', async (t) => {
    const given = { mode, flags: ['--no-http'], ini: 'graceful_timeout = 60\ndata_dir = kept' };
    const site = await startCronSite(t, { ...given, jobs: '{ often: { every: 1, run: noted() } }' });
    await site.noted({ job: 'often', what: 'end' });
    site.deploy('{}');
    t.match(await site.server.control('reload'), { code: 0 });
    await site.jobsUntil(({ often }) => often?.state === 'gone');
    // Those of the new generation, too: who else could have told that there are no jobs?
    while (cronWorkersOf(site).length > 0) await once(site.server, 'line');
    site.deploy('{ other: { every: 1, run: noted() } }');
    t.match(await site.server.control('reload'), { code: 0 });
    await site.noted({ job: 'other', what: 'end' });
    site.server.kill('SIGTERM');
    t.strictSame(await site.server.ended, [0, null]);
    site.deploy('{}');
    await site.restart();
    await site.jobsUntil(({ often, other }) => often?.state === 'gone' && other?.state === 'gone');
    t.pass('at the restart, too');
  });
}

function stranger(mode: Mode): void {
  t.test('an app without jobs that is started in the folder of another one leaves its jobs alone', async (t) => {
    const site = await startCronSite(t, { mode, jobs: '{ often: { every: 1, run: noted() } }' });
    const { server, noted, deploy, restart, jobs } = site;
    await noted({ job: 'often', what: 'end' });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    deploy('{}');
    await restart();
    t.match(await jobs(), { often: { state: 'waiting' } });
  });
}

function failed(mode: Mode): void {
  t.test('a reload that fails at its last worker has changed no schedule', async (t) => {
    const site = await startCronSite(t, { mode, jobs: '{ job: { every: 1, run: noted() } }' });
    const { server, noted, notes, deploy, jobs } = site;
    await noted({ job: 'job', what: 'end' });
    // The second of them fails, long after the first could have done its harm.
    const late = `globalThis.starting = async ({ role, worker, thread }) => {
      if (role !== 'cron' || (thread || worker) === 1) return;
      await pass(1000);
      throw new Error('late');
    };`;
    deploy(`{ job: { ${YEARLY}, run: noted() }, other: { every: 1, run: noted() } }`, late);
    t.match(await server.control('reload'), { code: 1, stderr: /late/ });
    t.match(await jobs(), { job: { rhythm: { everyMs: 1000 }, state: /waiting|running/ }, other: undefined });
    await noted({ job: 'job', what: 'end' }, Math.floor(notes().length / 2) + 2);
    t.notOk(notes().some((note) => note.job === 'other'));
  });
}

function canary(mode: Mode): void {
  t.test('neither has one whose canary was rolled back', async (t) => {
    const ini = 'graceful_timeout = 60\ncanary = 50%,60s';
    const site = await startCronSite(t, { mode, ini, jobs: '{ job: { every: 1, run: noted() } }' });
    const { server, noted, notes, deploy, jobs, folder } = site;
    await noted({ job: 'job', what: 'end' });
    const dies = `
      import { existsSync } from 'node:fs';
      globalThis.starting = ({ role }) => {
        if (role !== 'cron') setInterval(() => existsSync('die') && process.exit(9), 20);
      };`;
    deploy(`{ job: { ${YEARLY}, run: noted() } }`, dies);
    const reload = server.control('reload');
    // Not before: it would have died at its boot.
    await server.line(/^Canary: \d of \d workers/);
    writeFileSync(join(folder, 'die'), '');
    t.match(await reload, { code: 1, stderr: /it has lost/ });
    t.match(await jobs(), { job: { rhythm: { everyMs: 1000 } } });
    await noted({ job: 'job', what: 'end' }, Math.floor(notes().length / 2) + 2);
  });
}

function rolledBack(mode: Mode): void {
  t.test('a rollback brings the old schedule back', async (t) => {
    const site = await startCronSite(t, { mode, jobs: '{ job: { every: 1, run: noted() } }' });
    const { server, noted, notes, deploy, jobsUntil } = site;
    await noted({ job: 'job', what: 'end' });
    deploy(`{ job: { ${YEARLY}, run: noted() }, other: { every: 1, run: noted() } }`);
    t.match(await server.control('reload'), { code: 0 });
    t.match(await jobsUntil(({ other }) => other !== undefined), {
      job: { rhythm: { cron: '@yearly' } },
      other: { state: /waiting|running/ },
    });
    await noted({ job: 'other', what: 'end' });
    t.match(await server.control('rollback'), { code: 0 });
    t.match(await jobsUntil(({ other }) => other?.state === 'gone'), { job: { rhythm: { everyMs: 1000 } } });
    const ended = notes().filter(({ job, what }) => job === 'job' && what === 'end').length;
    await noted({ job: 'job', what: 'end' }, ended + 2);
  });
}
