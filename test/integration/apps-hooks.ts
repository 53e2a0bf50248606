/** What runs around an app: its hooks, a service without HTTP, and who imports it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { get } from '../support/http.ts';
import { folderOf, withIni } from '../support/ini.ts';
import { statistics } from '../support/statistics.ts';
import { fixture, loops, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';

export function hooks(mode: Mode): void {
  defined(mode);
  withoutHttp(mode);
  importers(mode);
}

function defined(mode: Mode): void {
  t.test('define-app.ts: its hooks run once in each loop, its statistics are those of the loop', async (t) => {
    const journal = join(folderOf(t), 'journal');
    const flags = [...modes[mode], ...withIni(t, { app: { journal } })];
    const server = await startTricorn(t, fixture('define-app.ts'), flags);
    for (let n = 0; n < 5; n += 1) await get(server.url);
    const figures = await statistics(server, loops[mode]);
    for (const { requests, app } of figures) t.match(app, { requests });
    t.equal(
      figures.reduce((sum, { app }) => sum + (app as { requests: number }).requests, 0),
      5,
    );
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    const notes = readFileSync(journal, 'utf8').trim().split('\n');
    const started = notes.filter((note) => note.startsWith('onStart'));
    t.equal(new Set(started).size, loops[mode], 'each loop has begun, under a name of its own');
    t.strictSame(
      notes.filter((note) => note.startsWith('onStop')).toSorted(),
      started.map((note) => note.replace('onStart', 'onStop')).toSorted(),
      'and what has begun has ended',
    );
  });

  t.test('an onStop that closes the server, as socket.io and Apollo do, is no error', async (t) => {
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: t.testdir({ 'app.mjs': CLOSES }) });
    t.equal((await get(server.url)).status, 200);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.notOk(server.lines.some(({ level }) => level >= 40));
  });

  t.test('an onStop that never ends is given up, the log names it, and the exit code is 0', async (t) => {
    const flags = [...modes[mode], '--graceful-timeout=0.2', ...withIni(t, { app: { hang: 'onStop' } })];
    const server = await startTricorn(t, fixture('define-app.ts'), flags);
    const workers = server.workers();
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.notOk(server.workers().some((pid) => workers.includes(pid)));
    const complaints = server.lines.filter(({ err }) => messageOf(err).startsWith('onStop was not done within 2 s'));
    t.equal(complaints.length, loops[mode], 'once for each loop');
    t.notOk(
      complaints.some(({ msg }) => msg === 'Uncaught error'),
      'as an error of the drain, which it is, not as one that nobody caught',
    );
  });
}

const CLOSES = `
import { defineApp } from 'tricorn';
let own;
export default defineApp({
  handler: (_request, response) => response.end('served'),
  onStart: ({ server }) => { own = server; },
  onStop: () => new Promise((resolve) => own.close(resolve)),
});
`;

function messageOf(error: unknown): string {
  return (error as { message?: string } | undefined)?.message ?? '';
}

function withoutHttp(mode: Mode): void {
  t.test('--no-http: ready without an address, and ends when told', async (t) => {
    const server = new Tricorn(t, [fixture('lab.ts'), ...modes[mode], '--no-http']);
    const { msg } = await server.line(/^Ready/);
    t.notMatch(msg, /http:/);
    await server.line(/^http_enable is false, and there are no jobs: no worker runs$/);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

function importers(mode: Mode): void {
  t.test('the app is imported in workers only, never in the supervisor', async (t) => {
    const file = join(folderOf(t), 'pids');
    const env = { WRITES_PID_TO: file };
    const server = await startTricorn(t, fixture('writes-pid.ts'), modes[mode], { env });
    t.equal((await get(server.url)).body, 'imported');
    const workers = server.workers();
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    const pids = readFileSync(file, 'utf8').trim().split('\n').map(Number);
    t.equal(pids.length, loops[mode], 'once for each loop');
    t.strictSame(new Set(pids), new Set(workers));
    t.notOk(pids.includes(server.pid));
  });
}
