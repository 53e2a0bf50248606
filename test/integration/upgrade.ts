/**
 * What an upgrade promises, on the real command: a new process takes the place of the old one and no request is lost, or
 * the old one stays as it was. upgrade.*.test.ts run it, one file a mode.
 */
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stop } from '../support/idle.ts';
import { GATE } from '../support/health.ts';
import { get, HeldRequest } from '../support/http.ts';
import { shortFolder } from '../support/ini.ts';
import { formatReport } from '../support/load/tally.ts';
import { appOf, begin, during, startSite, type Site } from '../support/site.ts';
import { openSockets } from '../support/passed-sockets.ts';
import { fixture, gone, modes, startTricorn, statusOf, type Mode } from '../support/tricorn.ts';
import { endLast, FAILED, TAKEN, upgrade } from '../support/upgrade.ts';

const lab = fixture('lab.ts');
const STARTS = /^Upgrade: process \d+ starts/;
/** Names no service at all: the request goes over the unix socket. */
const LOCAL = 'http://local';

/** An app that boots for ever. */
const ENDLESS = 'await new Promise(() => setInterval(() => {}, 1000)); export const handler = () => {};';

const PIDFILE = 'pidfile = tricorn.pid';

type Start = (t: Test, ini?: string) => Promise<Site>;

export function upgrades(mode: Mode): void {
  const start: Start = (t, ini) => startSite(t, mode, `${PIDFILE}\n${ini ?? ''}`);
  underLoad(start);
  broken(start);
  stopping(start);
  several(start, mode);
  sockets(mode);
}

function pidIn(folder: string): number {
  return Number(readFileSync(join(folder, 'tricorn.pid'), 'utf8'));
}

function underLoad(start: Start): void {
  t.test('3 upgrades in a row lose no request; the pidfile moves; the last one reloads and stops', async (t) => {
    const { folder, server, deploy, version } = await start(t);
    const load = begin(t, server);
    await load.until(100);
    let pid = server.pid;
    for (const name of ['two', 'three', 'four']) {
      t.equal(pidIn(folder), pid);
      deploy(name);
      const known = new Set(load.servedBy);
      const before = pid;
      await during(
        load,
        upgrade(server, pid).then((next) => (pid = next)),
      );
      t.not(pid, before);
      t.equal(pidIn(folder), pid);
      await load.untilOther(known);
      t.equal(await version(), name);
    }
    t.strictSame(await server.exited, [0, null]);
    deploy('five');
    process.kill(pid, 'SIGHUP');
    await during(load, server.line(/^Reload: generation 2 serves/));
    t.equal(await version(), 'five');
    const report = await load.stop();
    t.strictSame(report.failures, [], formatReport(report));
    t.comment(formatReport(report));
    await endLast(server, pid);
    t.ok(server.lines.some((line) => line.pid === pid && /^Stopped, .*exit code 0$/.test(line.msg)));
    t.notOk(existsSync(join(folder, 'tricorn.pid')));
  });
}

/** Each kind: what is deployed, and what the log says of it. */
const faults: Readonly<Record<string, { readonly ini?: string; readonly code?: string; readonly says: RegExp }>> = {
  'a mistake in the configuration': { ini: `${PIDFILE}\nworkerz = 2`, says: /workerz: unknown setting/ },
  'an app that throws': { code: "throw new Error('not today');", says: /app\.mjs failed to load/ },
  'an end before it is ready': { code: 'process.exit(9);', says: /app\.mjs failed to boot/ },
  'a boot that takes too long': {
    ini: `${PIDFILE}\nboot_timeout = 0.3`,
    code: ENDLESS,
    says: /not ready within boot_timeout = 0.3 s/,
  },
  'a pidfile that cannot be written': {
    ini: 'pidfile = nowhere/tricorn.pid',
    says: /will not be ready: .*nowhere\/tricorn\.pid/,
  },
  'no service at all': {
    ini: `${PIDFILE}\nstop_after_init = true`,
    says: /stop_after_init and test_file are no service/,
  },
};

function broken(start: Start): void {
  t.test('upgrades that fail leave the old process serving, and no request is lost', async (t) => {
    const { folder, server, deploy, configure, version } = await start(t);
    const load = begin(t, server);
    await load.until(100);
    const workers = server.workers();
    let failed = 0;
    const fail = async (fault: string, says: RegExp): Promise<void> => {
      failed += 1;
      await during(load, server.count(FAILED, failed));
      t.match(server.lines.findLast(({ msg }) => FAILED.test(msg))?.msg, says, fault);
      t.equal(await version(), 'one', fault);
      t.equal(pidIn(folder), server.pid, fault);
      const pid = server.successors.at(-1) ?? 0;
      t.equal(statusOf(pid).state, '', `${fault}: it is gone`);
    };
    for (const [fault, { ini = PIDFILE, code, says }] of Object.entries(faults)) {
      if (code === undefined) deploy('two');
      else writeFileSync(join(folder, 'app.mjs'), code);
      configure(`[options]\n${ini}\n`);
      server.kill('SIGUSR2');
      await fail(fault, says);
    }
    configure(`[options]\n${PIDFILE}\n`);
    writeFileSync(join(folder, 'app.mjs'), ENDLESS);
    server.kill('SIGUSR2');
    await server.count(STARTS, failed + 1);
    process.kill(server.successors.at(-1) ?? 0, 'SIGKILL');
    await fail('one that is killed', /ended by itself with SIGKILL/);
    t.strictSame(server.workers(), workers, 'the old workers are untouched');
    deploy('two');
    let pid = 0;
    await during(
      load,
      upgrade(server, server.pid).then((next) => (pid = next)),
    );
    t.equal(await version(), 'two', 'and the next good one takes over');
    const report = await load.stop();
    t.strictSame(report.failures, [], formatReport(report));
    await endLast(server, pid);
  });
}

function stopping(start: Start): void {
  t.test('a stop while the new process boots ends both', async (t) => {
    const { folder, server } = await start(t);
    writeFileSync(join(folder, 'app.mjs'), ENDLESS);
    server.kill('SIGUSR2');
    await server.line(STARTS);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null], 'the new one has closed its output, too');
    t.notOk(server.lines.some(({ msg }) => TAKEN.test(msg)));
    t.notOk(existsSync(join(folder, 'tricorn.pid')));
  });

  t.test('a stop that is forced while the new process boots ends both', async (t) => {
    const { folder, server } = await start(t);
    writeFileSync(join(folder, 'app.mjs'), ENDLESS);
    server.kill('SIGUSR2');
    await server.line(STARTS);
    // It cannot hear that it is to end. A TERM that came before it has stopped would be heard first.
    await stop(server.successors[0] ?? 0);
    server.kill('SIGTERM');
    await server.line(/^SIGTERM: stopping/);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [143, null]);
    await gone(server.successors[0] ?? 0);
  });

  t.test('an old process that is killed while the new one boots: the new one is the service', async (t) => {
    const { folder, server, version } = await start(t);
    const code = readFileSync(join(folder, 'app.mjs'), 'utf8');
    const waits = `import { existsSync } from 'node:fs'; while (!existsSync('go')) await new Promise(setImmediate);`;
    writeFileSync(join(folder, 'app.mjs'), `${waits}${code.replace('"one"', '"two"')}`);
    server.kill('SIGUSR2');
    await server.line(/^Upgrade: tcp .* is taken over|^Upgrade: 127.* is taken over/);
    server.kill('SIGKILL');
    await gone(server.pid);
    writeFileSync(join(folder, 'go'), '');
    const pid = server.successors[0] ?? 0;
    await server.line((line) => line.pid === pid && line.msg.startsWith('Ready'));
    t.equal(await version(), 'two');
    t.equal(pidIn(folder), pid);
    await endLast(server, pid);
  });
}

function several(start: Start, mode: Mode): void {
  t.test(
    'USR2 twice is one upgrade, and a reload that was asked for meanwhile is made by the new process',
    async (t) => {
      const { folder, server } = await start(t);
      // It is not over before both have been asked for.
      writeFileSync(join(folder, 'app.mjs'), `${GATE}${appOf('two')}`);
      server.kill('SIGUSR2');
      await server.line(STARTS);
      server.kill('SIGUSR2');
      server.kill('SIGHUP');
      await server.line(/^Upgrade: one runs already$/);
      await server.line(/^reload: waits for the upgrade that runs$/);
      writeFileSync(join(folder, 'open'), '');
      await server.line(TAKEN);
      const [pid = 0, ...others] = server.successors;
      t.same(others, []);
      await server.line((line) => line.pid === pid && line.msg.startsWith('Reload: generation 2 serves'));
      t.strictSame(await server.exited, [0, null]);
      await endLast(server, pid);
    },
  );

  t.test('TERM to the old process while it drains names the new one, and cuts nothing', async (t) => {
    const server = await startTricorn(t, lab, modes[mode]);
    const held = await HeldRequest.begin(`${server.url}/wait`);
    server.kill('SIGUSR2');
    const { successor } = await server.line(TAKEN);
    server.kill('SIGTERM');
    await server.line(new RegExp(`^SIGTERM: process ${Number(successor)} is the service now`));
    t.match(await held.finish(), { status: 200, body: 'waited' });
    t.strictSame(await server.exited, [0, null]);
    await endLast(server, Number(successor));
  });
}

function sockets(mode: Mode): void {
  t.test('http_socket: its file stays through an upgrade and one that fails, and is removed at the stop', async (t) => {
    const folder = shortFolder(t);
    const socketPath = join(folder, 'app.sock');
    const flags = [...modes[mode], `--http-socket=${socketPath}`];
    const app = join(folder, 'app.mjs');
    const good = `export { default } from ${JSON.stringify(lab)};`;
    writeFileSync(app, good);
    const server = await startTricorn(t, app, flags);
    const { ino } = lstatSync(socketPath);
    let pid = server.pid;
    for (const time of ['first', 'second']) {
      writeFileSync(app, 'throw new Error();');
      process.kill(pid, 'SIGUSR2');
      await server.line((line) => line.pid === pid && FAILED.test(line.msg));
      t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200, `${time}: after a failure`);
      writeFileSync(app, good);
      pid = await upgrade(server, pid);
      t.equal(lstatSync(socketPath).ino, ino, `${time}: the same file`);
      t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200, time);
      t.equal((await get(`${server.url}/who`)).status, 200, time);
    }
    await endLast(server, pid);
    t.notOk(existsSync(socketPath));
  });

  t.test('sockets that were passed stay the service’s through an upgrade', async (t) => {
    const { fds, url, socketPath } = openSockets(t);
    const server = await startTricorn(t, lab, modes[mode], { passed: { fds, names: 'web:local' } });
    let pid = server.pid;
    for (let time = 1; time <= 2; time += 1) {
      pid = await upgrade(server, pid);
      t.equal((await get(`${url}/who`)).status, 200);
      t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200);
    }
    await endLast(server, pid);
    t.ok(existsSync(socketPath), 'the file is not ours to remove');
  });
}
