/**
 * What a reload promises, on the real command: the new code and configuration serve, or the old ones go on as they were,
 * and no request is lost either way. reload.*.test.ts run it, one file a mode.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { GATE } from '../support/health.ts';
import { get } from '../support/http.ts';
import { formatReport } from '../support/load/tally.ts';
import { appOf, begin, during, startSite, type Site } from '../support/site.ts';
import { modes, startTricorn, type Mode } from '../support/tricorn.ts';

const RELOADED = /^Reload: generation \d+ serves/;
const FAILED = /^Reload failed, generation \d+ serves on/;

export function reloads(mode: Mode): void {
  const start: Start = (t, ini) => startSite(t, mode, ini);
  underLoad(start);
  broken(start);
  configuration(start);
  releases(mode);
  many(start);
}

type Start = (t: Test, ini?: string) => Promise<Site>;

function underLoad(start: Start): void {
  for (const strategy of ['surge', 'rolling']) {
    t.test(`10 reloads in a row lose no request: ${strategy}`, async (t) => {
      const { server, deploy, version } = await start(t, `reload_strategy = ${strategy}`);
      const load = begin(t, server);
      await load.until(100);
      for (let reload = 1; reload <= 10; reload += 1) {
        deploy(`version ${reload}`);
        const known = new Set(load.servedBy);
        server.kill('SIGHUP');
        await during(load, server.count(RELOADED, reload));
        await load.untilOther(known);
        t.equal(await version(), `version ${reload}`);
      }
      const report = await load.stop();
      t.strictSame(report.failures, [], formatReport(report));
      t.comment(formatReport(report));
    });
  }
}

/** Each kind: what is deployed, and what the log says of it. */
const faults: Readonly<Record<string, { readonly ini?: string; readonly code?: string; readonly says: RegExp }>> = {
  'a mistake in the configuration': { ini: '[options]\nworkerz = 2\n', says: /tricorn\.ini:2 workerz: unknown/ },
  'a syntax error': { code: 'export default {', says: /failed to load/ },
  'an import that fails': { code: "import 'no-such-module'; export const handler = () => {};", says: /failed to load/ },
  'a start hook that throws': {
    code: "import { defineApp } from 'tricorn'; export default defineApp({ handler() {}, onStart() { throw new Error('no'); } });",
    says: /failed to (boot|start)/,
  },
  'a plugin that throws': {
    code: "export default async () => { throw new Error('not today'); };",
    says: /failed to (boot|start)/,
  },
  'an end before it is ready': { code: 'process.exit(9);', says: /exit code 9/ },
  'a boot that takes too long': {
    ini: '[options]\nboot_timeout = 0.3\n',
    code: 'await new Promise(() => setInterval(() => {}, 1000)); export const handler = () => {};',
    says: /boot_timeout/,
  },
};

function broken(start: Start): void {
  t.test('reloads that fail leave the old generation serving, and no request is lost', async (t) => {
    const { folder, server, deploy, configure, version } = await start(t);
    const load = begin(t, server);
    await load.until(100);
    const pids = new Set(server.workers());
    let failed = 0;
    for (const [fault, { ini = '', code, says }] of Object.entries(faults)) {
      if (code === undefined) deploy('two');
      else writeFileSync(join(folder, 'app.mjs'), code);
      configure(ini);
      server.kill('SIGHUP');
      failed += 1;
      await during(load, server.count(FAILED, failed));
      const line = server.lines.findLast(({ msg }) => FAILED.test(msg));
      t.match(`${line?.msg} ${line?.stack}`, says, fault);
      t.equal(await version(), 'one', fault);
    }
    configure('');
    deploy('two');
    t.ok(server.workers().filter((pid) => pids.has(pid)).length === pids.size, 'the old workers are untouched');
    server.kill('SIGHUP');
    await during(load, server.line(RELOADED));
    t.equal(await version(), 'two', 'and the next good one is taken');
    const report = await load.stop();
    t.strictSame(report.failures, [], formatReport(report));
  });
}

function configuration(start: Start): void {
  t.test('what needs a restart stays as it is, and the log says so; the rest is taken', async (t) => {
    const { server, configure } = await start(t, 'keep_alive_timeout = 7');
    configure('[options]\nkeep_alive_timeout = 8\npidfile = other.pid\n');
    server.kill('SIGHUP');
    await server.line(/^tricorn\.ini:3: pidfile = .*other\.pid needs a restart: none stays$/);
    await server.line(RELOADED);
    const { headers } = await get(`${server.url}/version`, { headers: { connection: 'keep-alive' } });
    t.equal(headers['keep-alive'], 'timeout=8');
  });

  t.test('a burst of HUPs makes two reloads at most; the last configuration wins', async (t) => {
    const { folder, server, version } = await start(t);
    // Nothing is reloaded before all have been sent.
    writeFileSync(join(folder, 'app.mjs'), `${GATE}${appOf('one')}`);
    server.kill('SIGHUP');
    await server.line(/^Reload: .* starts$/);
    writeFileSync(join(folder, 'app.mjs'), `${GATE}${appOf('two')}`);
    for (let sent = 0; sent < 20; sent += 1) server.kill('SIGHUP');
    await server.line(/^reload: waits for the reload that runs$/);
    writeFileSync(join(folder, 'open'), '');
    await server.count(RELOADED, 2);
    t.equal(await version(), 'two');
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.equal(server.lines.filter(({ msg }) => RELOADED.test(msg)).length, 2);
  });
}

function releases(mode: Mode): void {
  t.test('a symlink that a deploy swaps: a reload follows it, a worker that is replaced does not', async (t) => {
    const folder = t.testdir({});
    const release = (name: string): void => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'app.mjs'), appOf(name));
      symlinkSync(name, join(folder, 'link'));
      renameSync(join(folder, 'link'), join(folder, 'current'));
    };
    release('one');
    const current = join(folder, 'current');
    const flags = [...modes[mode], '--no-access-log'];
    const server = await startTricorn(t, 'app.mjs', flags, { cwd: current, env: { PWD: current } });
    const version = async (): Promise<string> => (await get(`${server.url}/version`)).body;
    release('two');
    const old = server.workers();
    for (const pid of old) process.kill(pid, 'SIGKILL');
    await server.count(/is ready$/, old.length);
    t.equal(await version(), 'one');
    server.kill('SIGHUP');
    await server.line(RELOADED);
    t.equal(await version(), 'two');
    await server.line(/^Generation 1 has ended$/);
    rmSync(join(folder, 'one'), { recursive: true });
    t.equal(await version(), 'two');
  });
}

function many(start: Start): void {
  t.test('a reload while the service stops, and a stop while it reloads', async (t) => {
    const { folder, server } = await start(t);
    writeFileSync(join(folder, 'app.mjs'), `${GATE}${appOf('two')}`);
    server.kill('SIGHUP');
    await server.line(/^Reload: .* starts$/);
    server.kill('SIGTERM');
    server.kill('SIGHUP');
    t.strictSame(await server.ended, [0, null]);
    t.notOk(server.lines.some(({ msg }) => RELOADED.test(msg)));
  });
}
