/** The evented worker beside prefork and threaded: which port it serves, and that it is kept as any other. */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import WebSocket from 'ws';
import { get, getJson } from '../support/http.ts';
import { openSockets } from '../support/passed-sockets.ts';
import { fixture, modes, startTricorn, type LogLine, type Tricorn } from '../support/tricorn.ts';

interface Beside {
  readonly server: Tricorn;
  /** Of the evented worker. */
  readonly url: string;
}

/** Its socket is passed by name: no other way leads to a port that is free for sure. */
async function start(t: Test, app: string, ...flags: string[]): Promise<Beside> {
  const { fds, url } = openSockets(t);
  const passed = { fds: fds.slice(0, 1), names: 'evented' };
  return { server: await startTricorn(t, fixture(app), flags, { passed }), url };
}

async function pidAt(url: string): Promise<number> {
  return (await getJson<{ pid: number }>(`${url}/who`)).pid;
}

for (const mode of ['threaded', 'prefork'] as const) {
  const flags = [...modes[mode], '--evented-port=8072'];

  t.test(`it serves its port, the others theirs, and it is replaced: ${mode}`, async (t) => {
    const { server, url } = await start(t, 'lab.ts', ...flags, '--limit-request=3');
    t.match(server.lines.find(({ msg }) => msg.startsWith('Ready'))?.msg, /\(evented\)$/);
    const pid = await pidAt(url);
    for (let asked = 0; asked < 10; asked += 1) t.equal(await pidAt(url), pid, 'limit_request is not for it');
    t.not(await pidAt(server.url), pid);
    process.kill(pid, 'SIGKILL');
    await server.line(/^evented worker 1 .* died: signal SIGKILL; it is replaced/);
    await server.line(/^evented worker 1 .* is ready$/);
    t.not(await pidAt(url), pid);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });

  t.test(`recycle evented-1 replaces it, and no other: ${mode}`, async (t) => {
    const { server, url } = await start(t, 'lab.ts', ...flags);
    const before = [await pidAt(url), await pidAt(server.url)];
    t.match((await server.control('status')).stdout, /^evented-1 +\d+ +evented +ready/m);
    t.match(await server.control('recycle', 'evented-1'), {
      code: 0,
      stdout: /evented worker 1 \(pid \d+\) is replaced/,
    });
    await server.line(/^evented worker 1 .* has ended$/);
    t.not(await pidAt(url), before[0]);
    t.notOk(server.lines.some(({ msg }) => /^worker \d.* is due to be recycled/.test(msg)));
  });

  t.test(`a reload replaces it, too, and its websockets are told: ${mode}`, async (t) => {
    const { server, url } = await start(t, 'load-app.ts', ...flags, '--ws-drain-spread=0');
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket`);
    await once(socket, 'message');
    const closed = once(socket, 'close');
    t.match(await server.control('reload'), { code: 0 });
    t.equal((await closed)[0], 1012);
    const shown = JSON.parse((await server.control('status', '--json')).stdout) as {
      workers: { role: string; generation: number; state: string }[];
    };
    const evented = shown.workers.filter(({ role, state }) => role === 'evented' && state === 'ready');
    t.match(evented, [{ generation: 2 }]);
    t.equal((await get(`${url}/content?seed=1&size=9`)).status, 200);
  });

  t.test(`it has memory limits of its own: ${mode}`, async (t) => {
    const own = ['--limit-memory-soft-evented=250MiB', '--limit-memory-hard-evented=500MiB', '--limit-memory-soft=0'];
    const { server, url } = await start(t, 'lab.ts', ...flags, ...own, '--limit-memory-hard=0');
    const [pid, other] = [await pidAt(url), await pidAt(server.url)];
    t.equal((await get(`${server.url}/leak`)).body, 'leaked', 'those of the others are off');
    t.equal((await get(`${url}/leak`)).body, 'leaked');
    await server.line(/^evented worker 1 .* is due to be recycled: limit_memory_soft: \d+ MiB/);
    await server.line(/^evented worker 1 .* has ended/);
    t.not(await pidAt(url), pid);
    const isKilled = ({ msg, role }: LogLine): boolean =>
      role === 'evented' && /limit_memory_hard: .* killed/.test(msg);
    while (!server.lines.some(isKilled)) await get(`${url}/leak`).catch(() => {});
    await server.count(/^evented worker 1 .* is ready$/, 2);
    t.ok(server.workers().includes(other), 'nobody else has gone');
  });

  t.test(`one that cannot boot leaves the old generation serving: ${mode}`, async (t) => {
    const { server, url } = await start(t, 'fails-evented.ts', ...flags);
    const pid = await pidAt(url);
    t.match(await server.control('reload'), { code: 1, stderr: /not as evented worker/ });
    t.equal(await pidAt(url), pid);
  });
}

t.test('in evented mode the one worker serves both ports, also when the mode is changed to it', async (t) => {
  const { server, url } = await start(t, 'lab.ts', ...modes.prefork, '--evented-port=8072');
  t.match(await server.control('mode', 'evented'), { code: 0 });
  t.equal(await pidAt(url), await pidAt(server.url));
  t.match(await server.control('mode', 'threaded'), { code: 0 });
  t.not(await pidAt(url), await pidAt(server.url));
});
