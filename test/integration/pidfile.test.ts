/** The pidfile names the supervisor while it serves, and is nobody else's. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { folderOf } from '../support/ini.ts';
import { fixture, gone, startTricorn, Tricorn } from '../support/tricorn.ts';

const lab = fixture('lab.ts');
const local = ['--evented', '--http-interface=127.0.0.1', '--http-port=0'];

function pathOf(t: Test): string {
  return join(folderOf(t), 'tricorn.pid');
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

async function servesUnder(t: Test, pidfile: string): Promise<void> {
  const server = await startTricorn(t, lab, ['--evented', `--pidfile=${pidfile}`]);
  t.equal(read(pidfile), `${server.pid}\n`, 'names the supervisor');
  t.equal((await get(`${server.url}/who`)).status, 200);
  server.kill('SIGTERM');
  t.strictSame(await server.ended, [0, null]);
  t.strictSame(readdirSync(dirname(pidfile)), [], 'is removed, and nothing is left beside it');
}

t.test('is there while the service runs', async (t) => {
  await servesUnder(t, pathOf(t));
});

t.test('is not written where the port is in use', async (t) => {
  const pidfile = pathOf(t);
  const server = await startTricorn(t, lab, ['--evented']);
  const args = [lab, '--evented', '--http-interface=127.0.0.1', `--http-port=${server.port}`, `--pidfile=${pidfile}`];
  t.strictSame(await new Tricorn(t, args).ended, [4, null]);
  t.notOk(existsSync(pidfile));
});

t.test('whose number belongs to another program by now is taken over', async (t) => {
  const pidfile = pathOf(t);
  // The test itself lives, and is no supervisor.
  writeFileSync(pidfile, `${process.pid}\n`);
  await servesUnder(t, pidfile);
});

t.test('of a service that runs keeps a second one from starting, which does it no harm', async (t) => {
  const pidfile = pathOf(t);
  const first = await startTricorn(t, lab, ['--evented', `--pidfile=${pidfile}`]);
  const second = new Tricorn(t, [lab, ...local, `--pidfile=${pidfile}`]);
  t.strictSame(await second.ended, [4, null]);
  t.match(second.lines, [{ code: 'TRC_PIDFILE', msg: new RegExp(`names process ${first.pid}, which is alive`) }]);
  t.equal(read(pidfile), `${first.pid}\n`);
  t.equal((await get(`${first.url}/who`)).status, 200);
});

t.test('of a service that was killed is taken over', async (t) => {
  const pidfile = pathOf(t);
  const first = await startTricorn(t, lab, ['--evented', `--pidfile=${pidfile}`]);
  first.kill('SIGKILL');
  await first.ended;
  t.equal(read(pidfile), `${first.pid}\n`, 'it could not remove it');
  await servesUnder(t, pidfile);
});

t.test('of a process that is gone is taken over', async (t) => {
  const pidfile = pathOf(t);
  const child = spawn('true', { stdio: 'ignore' });
  await once(child, 'close');
  await gone(child.pid ?? 0);
  writeFileSync(pidfile, String(child.pid));
  await servesUnder(t, pidfile);
});

for (const garbage of ['', 'not a number\n', '0\n', '-1\n', '99999999999999999999\n']) {
  t.test(`with ${JSON.stringify(garbage)} in it is taken over`, async (t) => {
    const pidfile = pathOf(t);
    writeFileSync(pidfile, garbage);
    await servesUnder(t, pidfile);
  });
}

t.test('that cannot be written: exit code 4, and why', async (t) => {
  const server = new Tricorn(t, [lab, ...local, `--pidfile=${join(folderOf(t), 'nowhere', 'tricorn.pid')}`]);
  t.strictSame(await server.ended, [4, null]);
  t.match(server.lines, [{ code: 'TRC_PIDFILE', msg: /ENOENT/ }]);
});

t.test('is not written by check, and removed when the app does not boot', async (t) => {
  const pidfile = pathOf(t);
  writeFileSync(pidfile, `${process.pid}\n`);
  t.strictSame(await new Tricorn(t, ['check', lab, '--evented', `--pidfile=${pidfile}`]).ended, [0, null]);
  t.equal(read(pidfile), `${process.pid}\n`);
  const other = `${pidfile}.other`;
  t.strictSame(await new Tricorn(t, [fixture('class.ts'), ...local, `--pidfile=${other}`]).ended, [3, null]);
  t.notOk(existsSync(other));
});
