/** What a service manager gets to know and may ask for, in every mode, shown on the real command. */
import { spawnSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { getJson } from '../support/http.ts';
import { shortFolder } from '../support/ini.ts';
import { canNotify, NotifySocket } from '../support/notify-socket.ts';
import { fixture, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';

const lab = fixture('lab.ts');
/** Who has no rights at all. */
const NOBODY = 65_534;
/** Root can become nobody; and nobody can run what lies in this checkout. */
const canBecomeNobody =
  process.getuid?.() === 0 &&
  spawnSync(process.execPath, [join(import.meta.dirname, '../../bin/tricorn.js'), '--version'], {
    uid: NOBODY,
    gid: NOBODY,
  }).status === 0;

export function service(mode: Mode): void {
  t.test('sd_notify: ready, status, beats, stopping', async (t) => {
    const socket = await NotifySocket.open(t);
    const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '4000000' };
    const server = await startTricorn(t, lab, modes[mode], { env });
    if (canNotify) {
      t.match(await socket.message(/READY=1/), /^READY=1\|STATUS=(\d) of \1 workers ready, \d+ requests\/s$/);
      await socket.message(/WATCHDOG=1/);
      t.same((await getJson<{ notify: boolean }>(`${server.url}/who`)).notify, false, 'the app cannot speak for it');
    } else t.match(await server.line(/could not be told by systemd-notify/), { level: 50, msg: /Type=exec/ });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    if (canNotify) await socket.message(/STOPPING=1/);
  });

  t.test('sd_notify of a service without HTTP: it beats while its jobs can run', async (t) => {
    const job = 'export const cron = { hourly: { every: 3600, run() {} } };';
    const folder = t.testdir({ 'app.mjs': `${job} export const handler = (_, response) => response.end();` });
    const socket = await NotifySocket.open(t);
    const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '4000000' };
    const server = new Tricorn(t, ['app.mjs', ...modes[mode], '--no-http'], { cwd: folder, env });
    await server.line(/^Ready/);
    if (!canNotify) return;
    t.match(await socket.message(/READY=1/), /STATUS=([12]) of \1 workers ready/);
    await socket.message(/WATCHDOG=1/);
  });

  t.test('user: the workers run as that user, the supervisor binds and logs as before', async (t) => {
    const folder = shortFolder(t);
    const logfile = join(folder, 'log');
    const socketPath = join(folder, 'socket');
    const args = [lab, ...modes[mode], '--http-interface=127.0.0.1', '--http-port=0'];
    const asked = [`--user=${NOBODY}`, `--group=${NOBODY}`];
    if (!canBecomeNobody) {
      const refused = new Tricorn(t, [...args, ...asked]);
      const [code] = await refused.ended;
      t.equal(code, process.getuid?.() === 0 ? 3 : 4);
      return;
    }
    const server = await startTricorn(t, lab, [...modes[mode], ...asked, `--http-socket=${socketPath}`]);
    t.match(await getJson(`${server.url}/who`), { uid: NOBODY, gid: NOBODY });
    t.match(await getJson('http://local/who', { socketPath }), { uid: NOBODY, gid: NOBODY });
    t.equal(statSync(`/proc/${server.pid}`).uid, 0, 'the supervisor stays who it was');
    t.equal(statSync(socketPath).gid, NOBODY);
    const closed = new Tricorn(t, [...args, ...asked, `--logfile=${logfile}`]);
    t.strictSame(await closed.ended, [4, null]);
    t.match(closed.stderr, /logfile .*\/log: EACCES/, 'a folder that they may not enter');
    chmodSync(folder, 0o755);
    const logging = new Tricorn(t, [...args, ...asked, `--logfile=${logfile}`, '--stop-after-init']);
    t.strictSame(await logging.ended, [0, null]);
    t.equal(statSync(logfile).uid, NOBODY);
  });
}
