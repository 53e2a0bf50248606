/** What the health port tells in every mode, and that nothing which befalls the workers keeps a probe waiting. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { movedClock } from '../support/clock.ts';
import { GOOD, livez, passHealth, Prober, readyz, startGated } from '../support/health.ts';
import { get, HeldRequest } from '../support/http.ts';
import { lab } from '../support/lab.ts';
import { fixture, loops, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';
import { changes } from './health-changes.ts';
import { clients } from './health-clients.ts';

export function health(mode: Mode): void {
  booting(mode);
  busy(mode);
  dead(mode);
  crashLoop(mode);
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
