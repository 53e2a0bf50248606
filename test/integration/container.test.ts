/** As process 1 of a container, and beside processes that an app leaves behind. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { get, getJson } from '../support/http.ts';
import { childrenOf, gone, modes, startTricorn, statusOf, Tricorn, type Mode } from '../support/tricorn.ts';

/** /leave starts a program that outlives the worker; it gets the worker's place below process 1 when that is gone. */
const APP = `
  import { spawn } from 'node:child_process';
  export const handler = (request, response) => {
    if (request.url === '/leave') {
      const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
      child.unref();
      return response.end(JSON.stringify({ pid: child.pid, worker: process.pid }));
    }
    if (request.url === '/exit') setImmediate(() => process.exit(7));
    response.end('served');
  };`;

for (const mode of Object.keys(modes) as Mode[]) {
  t.test(`a grandchild that a worker leaves behind is not taken for a worker, nor ended: ${mode}`, async (t) => {
    const folder = t.testdir({ 'app.mjs': APP });
    const server = await startTricorn(t, join(folder, 'app.mjs'), modes[mode]);
    const { pid, worker } = await getJson<{ pid: number; worker: number }>(`${server.url}/leave`);
    t.teardown(() => process.kill(pid, 'SIGKILL'));
    process.kill(worker, 'SIGKILL');
    await server.line(/died: signal SIGKILL; it is replaced/);
    await server.line(/is ready$/);
    t.equal((await get(server.url)).status, 200);
    t.not(statusOf(pid).state, '', 'it lives');
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.not(statusOf(pid).state, '', 'it still lives');
    t.equal(server.lines.filter(({ msg }) => / died: /.test(msg)).length, 1);
  });

  t.test(
    `as process 1 it replaces its workers, reloads and stops, and leaves no zombie of its own: ${mode}`,
    async (t) => {
      const folder = t.testdir({ 'app.mjs': APP });
      const where = ['--http-interface=127.0.0.1', '--http-port=0', '--control-socket=none'];
      const server = new Tricorn(t, [join(folder, 'app.mjs'), ...modes[mode], ...where], { inOwnPidNamespace: true });
      t.equal((await server.line(/^Ready/)).pid, 1);
      // unshare(1) is its parent, and hands no signal on.
      const [init = 0] = childrenOf(server.pid);
      const old = childrenOf(init);
      for (const pid of old) process.kill(pid, 'SIGKILL');
      await server.count(/is ready$/, old.length);
      for (const pid of old) await gone(pid);
      t.equal((await get(server.url)).status, 200);
      writeFileSync(join(folder, 'app.mjs'), APP.replace('served', 'anew'));
      process.kill(init, 'SIGHUP');
      await server.line(/^Reload: generation 2 serves/);
      t.equal((await get(server.url)).body, 'anew');
      process.kill(init, 'SIGTERM');
      t.strictSame(await server.ended, [0, null]);
      await gone(init);
    },
  );
}
