/** What the health port tells in every mode, and that nothing which befalls the workers keeps a probe waiting. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { movedClock } from '../support/clock.ts';
import { GOOD, livez, passHealth, Prober, readyz, startGated } from '../support/health.ts';
import { get, HeldRequest } from '../support/http.ts';
import { lab } from '../support/lab.ts';
import { told } from '../support/status.ts';
import { fixture, loops, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';
import { changes } from './health-changes.ts';
import { clients } from './health-clients.ts';

export function health(mode: Mode): void {
  booting(mode);
  busy(mode);
  dead(mode);
  crashLoop(mode);
  unhealthy(mode);
  halfHealthy(mode);
  changes(mode);
  clients(mode);
}

/** One event loop, so that requests meet in it. */
const alone: Readonly<Record<Mode, readonly string[]>> = {
  threaded: ['--threads=1'],
  prefork: ['--workers=1'],
  evented: ['--evented'],
};

async function start(t: Test, ...flags: readonly string[]): Promise<{ server: Tricorn; health: string }> {
  const { passed, health } = passHealth(t);
  return { server: await startTricorn(t, lab, flags, { passed }), health };
}

function booting(mode: Mode): void {
  const wanted = loops[mode];

  t.test('while the app boots the service lives, and is ready once that is said', async (t) => {
    const { server, health, open } = startGated(t, mode);
    await server.line(/^worker 1 .* starts$/);
    const starting = { ready: false, state: 'starting', workers: { ready: 0, wanted } };
    t.same(await readyz(health), { status: 503, ...starting });
    t.equal(await livez(health), 200);
    open();
    await server.line(/^Ready: .* \(health\)$/);
    t.same(await readyz(health), { status: 200, ready: true, state: 'serving', workers: { ready: wanted, wanted } });
    t.equal(await livez(health), 200);
  });

  t.test('after an hour in which the machine was suspended it lives', async (t) => {
    const { options, ahead } = movedClock(t);
    const { passed, health } = passHealth(t);
    await startTricorn(t, lab, modes[mode], { ...options, passed });
    ahead(3_600_000);
    t.equal(await livez(health), 200);
    t.match(await readyz(health), { status: 200 });
  });

  t.test('a service without HTTP is ready while jobs can run', async (t) => {
    const job = 'export const cron = { hourly: { every: 3600, run() {} } };';
    const folder = t.testdir({ 'app.mjs': `${job} export const handler = (_, response) => response.end();` });
    const { passed, health } = passHealth(t);
    const server = new Tricorn(t, ['app.mjs', ...modes[mode], '--no-http'], { cwd: folder, passed });
    await server.line(/^Ready/);
    t.match(await readyz(health), { status: 200, state: 'serving' });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('a service without HTTP asks the app, too, whether it is healthy', async (t) => {
    const cron = "cron: { hourly: { every: 3600, run() {} } }, fetch: () => new Response('')";
    const app = `import { defineApp } from 'tricorn'; export default defineApp({ ${cron}, health: () => false });`;
    const { passed, health } = passHealth(t);
    const options = { cwd: t.testdir({ 'app.mjs': app }), passed };
    const server = new Tricorn(t, ['app.mjs', ...modes[mode], '--no-http'], options);
    await server.line(/^Ready/);
    t.match(await readyz(health), { status: 503, state: 'unhealthy' });
  });
}

function busy(mode: Mode): void {
  t.test('while the app answers 503, for all its places and its queue are taken: ready', async (t) => {
    const { server, health } = await start(t, ...alone[mode], '--max-inflight=1', '--max-queue=1');
    const first = await HeldRequest.arrive(`${server.url}/wait`);
    const others = [get(`${server.url}/who`), get(`${server.url}/who`)];
    t.match(await Promise.race(others), { status: 503, body: /TRC_OVERLOADED/ });
    const probes = new Prober(health);
    for (let more = 0; more < 20; more += 1) t.equal((await get(`${server.url}/who`)).status, 503);
    t.same(await probes.stop(), GOOD);
    t.equal((await first.finish()).status, 200);
    const statuses = (await Promise.all(others)).map(({ status }) => status);
    t.same(new Set(statuses), new Set([200, 503]), 'who has waited was answered');
  });

  t.test('while its event loop is blocked for ever: answered, and ready until the watchdog ends it', async (t) => {
    const { server, health } = await start(t, ...alone[mode], '--limit-time-cpu=1h', '--limit-time-real=1h');
    const blocked = HeldRequest.begin(`${server.url}/block`).then((held) => held.untilCut());
    blocked.catch(() => {});
    await server.line(/^blocks for ever$/);
    t.match(await readyz(health), { status: 200, ready: true });
    t.equal(await livez(health), 200);
    server.kill('SIGTERM');
    await server.line(/^SIGTERM: stopping/);
    t.match(await readyz(health), { status: 503, state: 'stopping' });
    t.equal(await livez(health), 200);
    server.kill('SIGKILL');
    await server.ended;
    await t.rejects(blocked);
  });
}

function dead(mode: Mode): void {
  t.test('while all workers are dead: it lives, and is not ready before one of them is again', async (t) => {
    const { server, health, shut, open } = startGated(t, mode);
    open();
    await server.line(/^Ready/);
    shut();
    const workers = server.workers();
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    await server.count(/ died: signal SIGKILL; it is replaced/, workers.length);
    t.match(await readyz(health), { status: 503, state: 'no worker', workers: { ready: 0, wanted: loops[mode] } });
    t.equal(await livez(health), 200);
    open();
    await server.line(/^worker \d .*is ready$/);
    t.match(await readyz(health), { status: 200, state: 'serving' });
  });
}

/** Says that it is healthy while there is the file `well` in its folder. */
const MOODY = `
import { existsSync } from 'node:fs';
import { defineApp } from 'tricorn';
export default defineApp({
  handler: (_request, response) => response.end('ok'),
  health: () => { if (!existsSync('well')) throw new Error('the database is away'); },
});
`;

function unhealthy(mode: Mode): void {
  t.test('while the app says that it is not healthy: it lives and serves, and is not ready', async (t) => {
    const { passed, health } = passHealth(t);
    const cwd = t.testdir({ 'app.mjs': MOODY });
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd, passed });
    const workers = { ready: loops[mode], wanted: loops[mode] };
    t.same(
      await readyz(health),
      { status: 503, ready: false, state: 'unhealthy', workers },
      'from the first answer on',
    );
    t.equal(await livez(health), 200);
    t.match(await get(server.url), { status: 200, body: 'ok' });
    const stdout = await told(server, 'status');
    t.match(stdout, /^state +unhealthy, for/m);
    t.equal([...stdout.matchAll(/^health +worker .*: health\(\) failed: the database is away$/gm)].length, loops[mode]);
    writeFileSync(join(cwd, 'well'), '');
    await server.line(/^The app is healthy again$/);
    // What is logged has yet to be told.
    while ((await readyz(health)).status !== 200);
    t.match(await readyz(health), { status: 200, ready: true, state: 'serving' });
  });
}

/** The second event loop says that it is not healthy, where there is one. */
const HALF = `
import { defineApp } from 'tricorn';
let second = false;
export default defineApp({
  handler: (_request, response) => response.end('ok'),
  onStart: ({ worker, thread }) => { second = Math.max(worker, thread) === 2; },
  health: () => !second,
});
`;

function halfHealthy(mode: Mode): void {
  t.test('one event loop that is not healthy leaves the service ready; status names it', async (t) => {
    const { passed, health } = passHealth(t);
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: t.testdir({ 'app.mjs': HALF }), passed });
    t.match(await readyz(health), { status: 200, state: 'serving' });
    const stdout = await told(server, 'status');
    const named = { threaded: ['worker 1 thread 2'], prefork: ['worker 2'], evented: [] }[mode];
    const lines = [...stdout.matchAll(/^health +(.*): health\(\) answered false$/gm)];
    t.same(
      lines.map(([, name]) => name),
      named,
    );
  });
}

function crashLoop(mode: Mode): void {
  t.test('in a crash loop: it lives, and is not ready before that is over', async (t) => {
    const env = { BREAKABLE: join(t.testdir({}), 'broken') };
    const { passed, health } = passHealth(t);
    const flags = [...alone[mode], '--crash-loop-limit=2'];
    const server = await startTricorn(t, fixture('breakable.ts'), flags, { env, passed });
    writeFileSync(env.BREAKABLE, '');
    for (const pid of server.workers()) process.kill(pid, 'SIGKILL');
    await server.line(/^crash loop: 2 starts in a row failed/);
    t.match(await readyz(health), { status: 503, ready: false, state: 'crash loop', workers: { ready: 0, wanted: 1 } });
    t.equal(await livez(health), 200);
    rmSync(env.BREAKABLE);
    await server.line(/^The crash loop is over/);
    t.match(await readyz(health), { status: 200, state: 'serving' });
  });
}
