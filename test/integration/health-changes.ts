/** What the health port tells while the service changes or stops: one that is ready stays so, and a stop is told first. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { freePort } from '../support/free-port.ts';
import { GATE, GOOD, livez, passHealth, Prober, readyz } from '../support/health.ts';
import { get, HeldRequest } from '../support/http.ts';
import { lab } from '../support/lab.ts';
import { appOf, startSite } from '../support/site.ts';
import { statusOf } from '../support/status.ts';
import { gone, modes, startTricorn, type Mode } from '../support/tricorn.ts';
import { endLast, FAILED, upgrade } from '../support/upgrade.ts';

export function changes(mode: Mode): void {
  stops(mode);
  reloads(mode);
  upgrades(mode);
}

/** The flag of a port that is free, and its URL. */
function choose(): { flag: string; health: string } {
  const port = freePort();
  return { flag: `--health-port=${port}`, health: `http://127.0.0.1:${port}` };
}

function stops(mode: Mode): void {
  t.test('a stop with drain_delay: not ready at once, while requests are served as before', async (t) => {
    const { passed, health } = passHealth(t);
    const server = await startTricorn(t, lab, [...modes[mode], '--drain-delay=1h'], { passed });
    server.kill('SIGTERM');
    await server.line(/^Requests are served for drain_delay/);
    t.match(await readyz(health), { status: 503, ready: false, state: 'stopping' });
    t.equal(await livez(health), 200);
    t.equal((await get(`${server.url}/who`)).status, 200);
    await server.line(/^SIGTERM: stopping/);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [143, null]);
  });

  t.test('the drain of a stop: it answers until the last request is finished, and is closed then', async (t) => {
    const { flag, health } = choose();
    const server = await startTricorn(t, lab, [...modes[mode], flag]);
    const held = await HeldRequest.arrive(`${server.url}/wait`);
    server.kill('SIGTERM');
    await server.line(/^SIGTERM: stopping/);
    await t.rejects(get(`${server.url}/who`), { code: 'ECONNREFUSED' });
    t.match(await readyz(health), { status: 503, state: 'stopping' });
    t.equal(await livez(health), 200);
    t.equal((await held.finish()).status, 200);
    t.strictSame(await server.ended, [0, null]);
    await t.rejects(readyz(health), { code: 'ECONNREFUSED' });
  });
}

function reloads(mode: Mode): void {
  for (const strategy of ['surge', 'rolling']) {
    t.test(`reloads, one of them a failure, leave it ready: ${strategy}`, async (t) => {
      const { flag, health } = choose();
      const { server, folder, deploy } = await startSite(t, mode, `reload_strategy = ${strategy}`, [flag]);
      const probes = new Prober(health);
      for (const version of ['two', 'three']) {
        deploy(version);
        t.match(await server.control('reload'), { code: 0 });
      }
      writeFileSync(join(folder, 'app.mjs'), "throw new Error('not today');");
      t.match(await server.control('reload'), { code: 1 });
      t.same(await probes.stop(), GOOD);
    });
  }
}

function upgrades(mode: Mode): void {
  t.test('upgrades, one of them a failure: it is handed over, and stays ready', async (t) => {
    const { flag, health } = choose();
    const { server, folder, deploy } = await startSite(t, mode, '', [flag]);
    const probes = new Prober(health);
    const listeners = [server.url, `${health} (health)`];
    t.same((await statusOf(server)).listeners, listeners);
    writeFileSync(join(folder, 'app.mjs'), "throw new Error('not today');");
    server.kill('SIGUSR2');
    await server.line(FAILED);
    deploy('two');
    const next = await upgrade(server, server.pid);
    const last = await upgrade(server, next);
    t.same(await probes.stop(), GOOD);
    t.equal(
      server.lines.filter(({ msg }) => msg.startsWith('Upgrade: 127.0.0.1') && msg.includes(flag.slice(14))).length,
      3,
    );
    await endLast(server, last);
    await t.rejects(readyz(health), { code: 'ECONNREFUSED' });
  });

  t.test('a socket that was passed goes on, too', async (t) => {
    const { passed, health } = passHealth(t);
    const server = await startTricorn(t, lab, modes[mode], { passed });
    const probes = new Prober(health);
    const next = await upgrade(server, server.pid);
    const last = await upgrade(server, next);
    t.same(await probes.stop(), GOOD);
    await endLast(server, last);
  });

  t.test('another port: the new process answers there, the old one on its own until it has drained', async (t) => {
    const [before, after] = [choose(), choose()];
    const ini = join(t.testdir({}), 'tricorn.ini');
    const configure = (url: string): void => writeFileSync(ini, `[options]\nhealth_port = ${new URL(url).port}\n`);
    configure(before.health);
    const server = await startTricorn(t, lab, [...modes[mode], '-c', ini]);
    const held = await HeldRequest.arrive(`${server.url}/wait`);
    configure(after.health);
    server.kill('SIGUSR2');
    const { successor } = await server.line(/^Upgrade: process \d+ is the service now/);
    await server.line(({ pid, msg }) => pid === successor && msg.startsWith('Ready'));
    t.match(await readyz(after.health), { status: 200 });
    t.match(await readyz(before.health), { status: 503, state: 'stopping' });
    await held.finish();
    t.strictSame(await server.exited, [0, null]);
    await t.rejects(readyz(before.health), { code: 'ECONNREFUSED' });
    await endLast(server, Number(successor));
  });

  t.test('an old process that is killed while the new one boots: the new one answers at once', async (t) => {
    const { flag, health } = choose();
    const { server, folder } = await startSite(t, mode, '', [flag]);
    writeFileSync(join(folder, 'app.mjs'), `${GATE}${appOf('two')}`);
    server.kill('SIGUSR2');
    await server.line(/^Upgrade: .* is taken over/);
    const pid = server.successors[0] ?? 0;
    t.match(await readyz(health), { status: 200 }, 'it is the old one that answers');
    server.kill('SIGKILL');
    await gone(server.pid);
    t.equal(await livez(health), 200);
    t.match(await readyz(health), { status: 503, state: 'starting' });
    writeFileSync(join(folder, 'open'), '');
    await server.line((line) => line.pid === pid && line.msg.startsWith('Ready'));
    t.match(await readyz(health), { status: 200, state: 'serving' });
    await endLast(server, pid);
  });
}
