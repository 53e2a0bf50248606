/** How it serves in every mode: who is who, where it listens, and what becomes of a request while no worker lives. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { freePort } from '../support/free-port.ts';
import { get, getJson } from '../support/http.ts';
import { lab, startLab, type Who } from '../support/lab.ts';
import { statistics } from '../support/statistics.ts';
import { fixture, loops, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';

interface Heap {
  /** Bytes that new objects may take before they are collected. */
  readonly newSpace: number;
  readonly execArgv: readonly string[];
}

/** @param execArgv of all its processes */
function startHeap(t: Test, mode: Mode, execArgv: readonly string[] = []): Promise<Tricorn> {
  const app = join(t.testdir({ 'heap.mjs': HEAP_APP }), 'heap.mjs');
  return startTricorn(t, app, modes[mode], { execArgv });
}

const HEAP_APP = `import { getHeapSpaceStatistics } from 'node:v8';
    export const handler = (request, response) => {
      const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
      const newSpace = space.space_used_size + space.space_available_size;
      response.end(JSON.stringify({ newSpace, execArgv: process.execArgv }));
    };`;

export function serving(mode: Mode): void {
  t.test('it says ready when the app answers, and its titles tell who is who', async (t) => {
    const server = await startLab(t, mode);
    const { title } = await getJson<Who>(`${server.url}/who`);
    t.match(title, /^tricorn: (http|evented) worker \d \(generation 1\)/);
    t.match(readFileSync(`/proc/${server.pid}/cmdline`, 'latin1'), new RegExp(`^tricorn: supervisor \\(${mode}\\)`));
    t.match((await server.line(/^Ready/)).msg, new RegExp(`^Ready: ${mode}`));
  });

  t.test('its event loops have room for new objects, by flags that their app does not see', async (t) => {
    const usual = await getJson<Heap>(`${(await startHeap(t, mode, ['--max-semi-space-size=1'])).url}/`);
    const { newSpace, execArgv } = await getJson<Heap>(`${(await startHeap(t, mode)).url}/`);
    t.ok(newSpace > 8 * usual.newSpace);
    t.notMatch(execArgv.join(' '), /semi-space|pretenuring/);
  });

  t.test('a request made while no worker lives waits and is answered', async (t) => {
    const server = await startLab(t, mode);
    const before = server.workers();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const { pid } = await getJson<Who>(`${server.url}/who`);
    t.notOk(before.includes(pid), 'by a new worker');
  });

  t.test('what an app says by process.send() or parentPort is not its worker’s or thread’s word', async (t) => {
    const server = await startTricorn(t, fixture('speaks.ts'), modes[mode]);
    const before = server.workers();
    t.ok(before.includes(Number((await get(`${server.url}/`)).body)));
    // The figures come after it, on the same channel.
    await statistics(server, loops[mode]);
    t.ok(before.includes(Number((await get(`${server.url}/`)).body)), 'the same worker');
    t.strictSame(server.workers(), before);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.strictSame(
      server.lines.filter(({ level, msg }) => level >= 40 || /recycle|replace|said by the app/.test(msg)),
      [],
    );
  });
  ports(mode);
}

function ports(mode: Mode): void {
  t.test('a port in use is refused in one line, with exit code 4', async (t) => {
    const server = await startLab(t, mode);
    const rival = new Tricorn(t, [lab, ...modes[mode], '--http-interface=127.0.0.1', `--http-port=${server.port}`]);
    t.strictSame(await rival.ended, [4, null]);
    t.equal(rival.lines.length, 1, 'one line');
    t.match(rival.lines[0], { code: 'TRC_PORT_IN_USE', msg: new RegExp(`:${server.port} is in use.*--http-port`) });
    t.strictSame(rival.workers(), [], 'no process is left');
  });

  t.test('two that start at the same moment on one port: one serves, the other ends with exit code 4', async (t) => {
    const port = freePort();
    const args = [lab, ...modes[mode], '--http-interface=127.0.0.1', `--http-port=${port}`];
    const rivals = [new Tricorn(t, args), new Tricorn(t, args)];
    const first = await Promise.race(rivals.map(async (rival) => ({ rival, end: await rival.ended })));
    t.strictSame(first.end, [4, null]);
    const winner = rivals.find((rival) => rival !== first.rival);
    await winner?.line(/^Ready/);
    t.equal((await get(`http://127.0.0.1:${port}/who`)).status, 200);
  });

  t.test('it listens on IPv6 and on names', async (t) => {
    for (const host of ['::1', 'localhost']) {
      const server = new Tricorn(t, [lab, ...modes[mode], `--http-interface=${host}`, '--http-port=0']);
      await server.line(/^Ready/);
      t.equal((await get(`${server.url}/who`)).status, 200, host);
    }
  });
}
