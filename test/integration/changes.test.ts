/** Changes of a running service by its control socket, on the real command, under a load that verifies every byte. */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { type Load, startLoad } from '../support/load/load.ts';
import { formatReport } from '../support/load/tally.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

const everybody = { keepAlive: 4, fresh: 2, pipelined: 1, upload: 1, download: 1, sse: 1, websocket: 1 };

interface Shown {
  readonly mode: string;
  readonly state: string;
  readonly generation: number;
  readonly wanted: number;
  readonly ready: number;
  readonly deaths: number;
  readonly workers: readonly { readonly pid: number; readonly number: number; readonly state: string }[];
  readonly lastChange?: { readonly command: string; readonly outcome: string };
}

async function statusOf(server: Tricorn): Promise<Shown> {
  const { code, stdout, stderr } = await server.control('status', '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Shown;
}

function begin(t: Test, server: Tricorn): Load {
  const load = startLoad(server.url, { clients: everybody });
  t.teardown(() => load.stop());
  return load;
}

/** Waits for what is to happen meanwhile; rejects at the load's first failure. */
async function during<T>(load: Load, event: Promise<T>): Promise<T> {
  return Promise.race([event, load.until(Infinity).then(() => event)]);
}

/** Once it answers this, so many are ready. */
async function untilReady(server: Tricorn, wanted: number): Promise<Shown> {
  for (;;) {
    const shown = await statusOf(server);
    if (shown.ready === wanted && shown.wanted === wanted) return shown;
  }
}

t.test('threaded -> prefork -> evented -> threaded -> prefork: no request is lost', async (t) => {
  const server = await startTricorn(t, fixture('load-app.ts'), [...modes.threaded, '--no-access-log']);
  const load = begin(t, server);
  await load.until(100);
  const path: readonly (readonly [Mode, string[], number])[] = [
    ['prefork', ['--workers=2'], 2],
    ['evented', [], 1],
    ['threaded', ['--threads=3'], 3],
    ['prefork', ['--workers=3'], 3],
  ];
  for (const [index, [mode, flags, wanted]] of path.entries()) {
    const known = new Set(load.servedBy);
    const answered = await during(load, server.control('mode', mode, ...flags));
    t.match(answered, { code: 0, stdout: /^mode done: generation \d+ serves/ });
    await load.untilOther(known);
    const shown = await untilReady(server, wanted);
    t.match(shown, { mode, state: 'serving', generation: index + 2, wanted, lastChange: { outcome: 'done' } });
  }
  const report = await load.stop();
  t.strictSame(report.failures, [], formatReport(report));
});

t.test('a reload changes the mode where the configuration does', async (t) => {
  const folder = t.testdir({ 'tricorn.ini': '[options]\nworkers = 2\n' });
  const server = await startTricorn(t, fixture('load-app.ts'), ['--no-access-log'], { cwd: folder });
  const load = begin(t, server);
  await load.until(100);
  for (const [ini, mode, wanted] of [
    ['evented = true', 'evented', 1],
    ['threads = 2', 'threaded', 2],
    ['workers = 3', 'prefork', 3],
  ] as const) {
    writeFileSync(join(folder, 'tricorn.ini'), `[options]\n${ini}\n`);
    const known = new Set(load.servedBy);
    t.match(await during(load, server.control('reload')), { code: 0 });
    await load.untilOther(known);
    t.match(await untilReady(server, wanted), { mode });
  }
  const report = await load.stop();
  t.strictSame(report.failures, [], formatReport(report));
});

for (const mode of ['prefork', 'threaded'] as const) {
  t.test(`scale up and down: no request is lost: ${mode}`, async (t) => {
    const server = await startTricorn(t, fixture('load-app.ts'), [...modes[mode], '--no-access-log']);
    const load = begin(t, server);
    await load.until(100);
    for (const wanted of [4, 1, 3]) {
      t.match(await during(load, server.control('scale', String(wanted))), { code: 0 });
      t.match(await untilReady(server, wanted), { deaths: 0 });
      await load.until(100);
    }
    const report = await load.stop();
    t.strictSame(report.failures, [], formatReport(report));
    t.match(await server.control('scale', '0'), { code: 2, stderr: /from 1/ });
  });
}

t.test('scale says so where a new worker cannot start', async (t) => {
  const folder = t.testdir({ 'app.mjs': 'export const handler = (_, response) => response.end();' });
  const server = await startTricorn(t, 'app.mjs', modes.prefork, { cwd: folder });
  writeFileSync(join(folder, 'app.mjs'), "throw new Error('not today');");
  t.match(await server.control('scale', '3'), {
    code: 1,
    stderr: /Scaling to prefork, 3 workers: one could not start/,
  });
  t.equal((await get(server.url)).status, 200);
});

t.test('evented does not scale, and says so', async (t) => {
  const server = await startTricorn(t, fixture('load-app.ts'), modes.evented);
  t.match(await server.control('scale', '3'), { code: 6, stderr: /one event loop/ });
});

t.test('reload waits for the outcome; rollback goes back; both say how they ended', async (t) => {
  const folder = t.testdir({ 'app.mjs': "export const handler = (_, response) => response.end('one');" });
  const deploy = (text: string): void => writeFileSync(join(folder, 'app.mjs'), text);
  const server = await startTricorn(t, 'app.mjs', modes.prefork, { cwd: folder });
  const body = async (): Promise<string> => (await get(server.url)).body;
  t.match(await server.control('rollback'), { code: 6, stderr: /no earlier generation/ });
  deploy("export const handler = (_, response) => response.end('two');");
  t.match(await server.control('reload'), { code: 0, stdout: /generation 2 serves/, stderr: /2\/2/ });
  t.equal(await body(), 'two', 'from the moment on at which it says so');
  deploy("throw new Error('not today');");
  const failed = await server.control('reload', '--json');
  t.equal(failed.code, 1);
  t.match(JSON.parse(failed.stdout), { outcome: 'failed', error: { code: 'TRC_APP_LOAD', stack: /not today/ } });
  t.equal(await body(), 'two');
  t.match(await statusOf(server), { generation: 2, lastChange: { command: 'reload', outcome: 'failed' } });
});

t.test('rollback starts the release before, although the link leads elsewhere', async (t) => {
  const app = (name: string): string => `export const handler = (_, response) => response.end('${name}');`;
  const folder = t.testdir({
    one: { 'app.mjs': app('one') },
    two: { 'app.mjs': app('two') },
    current: t.fixture('symlink', 'one'),
  });
  const current = join(folder, 'current');
  const server = await startTricorn(t, join(current, 'app.mjs'), modes.threaded);
  const body = async (): Promise<string> => (await get(server.url)).body;
  rmSync(current);
  symlinkSync('two', current);
  t.match(await server.control('reload'), { code: 0 });
  t.equal(await body(), 'two');
  t.match(await server.control('rollback'), { code: 0, stdout: /generation 3 serves/ });
  t.equal(await body(), 'one');
  t.match(await server.control('rollback'), { code: 0 }, 'and forth');
  t.equal(await body(), 'two');
});

t.test('recycle replaces one worker, stop stops', async (t) => {
  const server = await startTricorn(t, fixture('load-app.ts'), modes.prefork);
  const before = await statusOf(server);
  t.match(await server.control('recycle', '2'), { code: 0 });
  await server.line(/^worker 2 .* has ended$/);
  const after = await untilReady(server, 2);
  const pidOf = (shown: Shown, number: number) => shown.workers.find((worker) => worker.number === number)?.pid;
  t.equal(pidOf(after, 1), pidOf(before, 1));
  t.not(pidOf(after, 2), pidOf(before, 2));
  t.match(await server.control('recycle', '9'), { code: 6, stderr: /no worker 9 .*; there are 1, 2\n/ });
  t.match(await server.control('stop'), { code: 0 });
  t.strictSame(await server.ended, [0, null]);
});

t.test('stacks and status answer while a worker is blocked', async (t) => {
  const server = await startTricorn(t, fixture('lab.ts'), modes.prefork);
  void get(`${server.url}/block`).catch(() => {});
  for (;;) {
    const { code, stdout } = await server.control('stacks');
    t.equal(code, 0);
    if (stdout.includes('GET /block')) break;
  }
  t.match(await statusOf(server), { ready: 2, wanted: 2 });
});

t.test('30 reloads in a row: the supervisor has no more descriptors and children than before', async (t) => {
  const server = await startTricorn(t, fixture('load-app.ts'), modes.prefork);
  const size = async () => {
    await server.count(/^Generation \d+ has ended$/, generations);
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
    return { fds: readdirSync(`/proc/${server.pid}/fd`).length, children: children.length };
  };
  let generations = 0;
  const reload = async (): Promise<void> => {
    t.match(await server.control('reload'), { code: 0 });
    generations += 1;
  };
  await reload();
  const before = await size();
  for (let round = 0; round < 30; round += 1) await reload();
  t.same(await size(), before);
  t.equal((await statusOf(server)).generation, 32);
});
