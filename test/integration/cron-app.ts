/** What an app has of jobs: where it declares them, what it asks of them, and what they get. cron-app.*.test.ts run it. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cronWorkersOf, overlaps, startCronSite } from '../support/cron-site.ts';
import { get, getJson } from '../support/http.ts';
import { modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';
import { endLast, upgrade } from '../support/upgrade.ts';

const YEARLY = "schedule: '@yearly'";

export function cronApps(mode: Mode): void {
  express(mode);
  none(mode);
  passing(mode);
  refused(mode);
  running(mode);
  upgraded(mode);
}

/** Beside an app of any form; `/in/MS` triggers for when they have passed, twice for the same moment, and says for which. */
const EXPRESS = `
  import express from 'express';
  import { trigger } from 'tricorn';
  const app = express();
  app.get('/in/:ms', async (req, res) => {
    const at = new Date(Date.now() + Number(req.params.ms));
    await Promise.all([trigger('mails', { at }), trigger('mails', { at })]);
    res.json(at.getTime());
  });
  app.get('/each', async (req, res) => {
    await Promise.all([1, 2, 3].map(() => trigger('mails', { coalesce: false })));
    res.send('asked');
  });
  app.get('/none', async (req, res) => {
    const error = await trigger('mials').catch((reason) => reason);
    res.status(500).send(error.code + ' ' + error.message);
  });
  export default app;
  export const cron = {
    mails: { ${YEARLY}, run: (job) => job.log.info({ for: job.scheduledAt.getTime() }, 'a mail is sent') },
  };`;

function express(mode: Mode): void {
  t.test('`export const cron` beside an Express app: its handlers trigger, its jobs log', async (t) => {
    const folder = t.testdir({ 'app.mjs': EXPRESS });
    const server = await startTricorn(t, 'app.mjs', [...modes[mode], '--no-access-log'], { cwd: folder });
    // From when it is asked: a second trigger for a moment that has passed is a run of its own.
    const at = await getJson<number>(`${server.url}/in/1500`);
    const sent = await server.line(/^a mail is sent$/);
    t.match(sent, { level: 30, role: 'cron', job: 'mails', run: 1, for: at });
    t.ok(Number(sent['time']) >= at, 'not before');
    t.equal((await get(`${server.url}/each`)).status, 200);
    await server.count(/^a mail is sent$/, 4);
    // Lines of two workers may come in another order.
    const runs = server.lines.filter(({ msg }) => msg === 'a mail is sent').map((line) => Number(line['run']));
    t.strictSame(
      runs.toSorted((a, b) => a - b),
      [1, 2, 3, 4],
      'the first two were one, each of the last three is one',
    );
    t.match(await get(`${server.url}/none`), { status: 500, body: /^TRC_JOB_UNKNOWN .*mials.*mails/ });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

function none(mode: Mode): void {
  t.test('max_cron_threads = 0: no cron worker, and no store; a reload may change that', async (t) => {
    const ini = 'graceful_timeout = 60\nmax_cron_threads = 0';
    const site = await startCronSite(t, { mode, ini, jobs: '{ often: { every: 1, run: noted() } }' });
    const { server, folder, noted, notes } = site;
    t.equal(cronWorkersOf(site).length, 0);
    t.notOk(existsSync(join(folder, '.tricorn')));
    writeFileSync(join(folder, 'tricorn.ini'), '[options]\ngraceful_timeout = 60\nmax_cron_threads = 3');
    t.match(await server.control('reload'), { code: 0 });
    t.equal(cronWorkersOf(site).length, mode === 'threaded' ? 1 : 3);
    await noted({ job: 'often', what: 'end' });
    writeFileSync(join(folder, 'tricorn.ini'), `[options]\n${ini}`);
    t.match(await server.control('reload'), { code: 0 });
    await server.line(/^Generation 2 has ended/);
    t.equal(cronWorkersOf(site).length, 0);
    t.equal(notes().length % 2, 0, 'what ran has ended');
  });
}

function passing(mode: Mode): void {
  t.test('--stop-after-init boots the app with its jobs, and touches no store', async (t) => {
    const cwd = t.testdir({ 'app.mjs': appWith('{ often: { every: 1, run() {} } }') });
    const args = ['app.mjs', ...modes[mode], '--http-interface=127.0.0.1', '--http-port=0', '--stop-after-init'];
    const server = new Tricorn(t, args, { cwd });
    t.strictSame(await server.ended, [0, null]);
    t.ok(server.lines.some(({ msg }) => msg.startsWith('Ready')));
    t.notOk(existsSync(join(cwd, '.tricorn')));
  });
}

const WRONG =
  "{ ok: { every: 1, run() {} }, mails: { schedule: '61 * * * *', run() {} }, zone: { schedule: '@daily', timezone: 'Mars', run() {} } }";
/** All mistakes at once, by job and field. */
const SAID = /job mails: schedule is "61 \* \* \* \*"[^]*job zone: timezone is "Mars"/;

function refused(mode: Mode): void {
  t.test('a mistake in a job: the boot is refused with exit code 3, and so is `tricorn check`', async (t) => {
    const cwd = t.testdir({ 'app.mjs': appWith(WRONG) });
    const args = ['app.mjs', ...modes[mode], '--http-interface=127.0.0.1', '--http-port=0'];
    for (const argv of [args, ['check', ...args]]) {
      const server = new Tricorn(t, argv, { cwd });
      t.strictSame(await server.ended, [3, null]);
      const said = [...server.lines.map((line) => line.msg), server.stderr].join('\n');
      t.match(said, SAID);
      t.match(said + JSON.stringify(server.lines), /TRC_JOBS/);
    }
    t.notOk(existsSync(join(cwd, '.tricorn')), 'nothing is written');
  });

  t.test('a reload is refused by it, and the old jobs go on', async (t) => {
    const site = await startCronSite(t, { mode, jobs: '{ often: { every: 1, run: noted() } }' });
    const { server, noted, notes, deploy } = site;
    deploy(WRONG);
    t.match(await server.control('reload'), { code: 1, stderr: SAID });
    await noted({ job: 'often', what: 'end' }, Math.floor(notes().length / 2) + 2);
  });
}

function appWith(cron: string): string {
  return `export const handler = (req, res) => res.end(); export const cron = ${cron};`;
}

function running(mode: Mode): void {
  t.test('tricorn jobs tells who runs a job, and history what became of it', async (t) => {
    const site = await startCronSite(t, {
      mode,
      more: "import { existsSync } from 'node:fs';",
      jobs: `{ long: { ${YEARLY}, run: noted(async (job) => {
        await job.progress(3, 4);
        while (!existsSync('go')) await pass(20);
        await job.progress(7, 0);
      }) } }`,
    });
    const { server, noted, jobs, command, folder } = site;
    await get(`${server.url}/trigger/long`);
    await noted({ job: 'long', what: 'begin' });
    t.match(await jobs(), { long: { state: 'running', running: { runId: 1, worker: /^cron \d/, machine: String } } });
    writeFileSync(join(folder, 'go'), '');
    t.match(await command('run', 'long', '--wait'), { code: 0, stdout: /: done\n$/ });
    t.match((await command('jobs', 'history', 'long')).stdout, /^1 +1 .* done \(7 of 7\) +cron \d.* on /m);
  });
}

function upgraded(mode: Mode): void {
  t.test('an upgrade in mid-run: the old process ends its job, the new one runs the next, never both', async (t) => {
    const jobs = '{ often: { every: 1, run: noted(() => pass(700)) } }';
    const site = await startCronSite(t, { mode, jobs, ini: 'graceful_timeout = 60\npidfile = tricorn.pid' });
    const { server, noted, notes } = site;
    await noted({ job: 'often', what: 'end' });
    const before = new Set(cronWorkersOf(site));
    const successor = await upgrade(server, server.pid);
    await noted({ job: 'often', what: 'end' }, Math.floor(notes().length / 2) + 3);
    t.notOk(before.has(notes().at(-1)?.pid ?? 0), 'by the new process');
    t.strictSame(overlaps(notes(), 'often'), []);
    const [begun, ended] = ['begin', 'end'].map((what) => notes().filter((note) => note.what === what));
    t.ok((begun?.length ?? 0) - (ended?.length ?? 0) <= 1, 'none was cut');
    await endLast(server, successor);
  });
}
