/** What every mode does by its control socket with generations that come and go: reload, rollback, recycle, scale. */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { WorkerUsage } from '../../src/protocol.ts';
import { get } from '../support/http.ts';
import { statistics } from '../support/statistics.ts';
import { statusOf, type Shown } from '../support/status.ts';
import { fixture, loops, modes, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';

const PROBE = fileURLToPath(new URL('../support/probe.mjs', import.meta.url));
const MIB = 1024 * 1024;

const handler = (text: string): string => `export const handler = (_, response) => response.end('${text}');`;

/** It is not ready before there is a file `go`. */
const WAITS = `
  import { existsSync } from 'node:fs';
  while (!existsSync('go')) await new Promise(setImmediate);
  ${handler('two')}`;

export function generations(mode: Mode): void {
  reloads(mode);
  rollsBack(mode);
  growsNot(mode);
  recycles(mode);
  recyclesTwice(mode);
  recyclesInVain(mode);
  recyclesTheDead(mode);
  booting(mode);
  scales(mode);
}

function reloads(mode: Mode): void {
  t.test('reload waits for the outcome; rollback goes back; both say how they ended', async (t) => {
    const folder = t.testdir({ 'app.mjs': handler('one') });
    const deploy = (text: string): void => writeFileSync(join(folder, 'app.mjs'), text);
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: folder });
    const body = async (): Promise<string> => (await get(server.url)).body;
    t.match(await server.control('rollback'), { code: 6, stderr: /no earlier generation/ });
    deploy(handler('two'));
    t.match(await server.control('reload'), { code: 0, stdout: /generation 2 serves/, stderr: /workers ready/ });
    t.equal(await body(), 'two', 'from the moment on at which it says so');
    deploy("throw new Error('not today');");
    const failed = await server.control('reload', '--json');
    t.equal(failed.code, 1);
    t.match(JSON.parse(failed.stdout), { outcome: 'failed', error: { code: 'TRC_APP_LOAD', stack: /not today/ } });
    t.equal(await body(), 'two');
    t.match(await statusOf(server), { generation: 2, lastChange: { command: 'reload', outcome: 'failed' } });
  });
}

function rollsBack(mode: Mode): void {
  t.test('rollback starts the release before, although the link leads elsewhere', async (t) => {
    const folder = t.testdir({
      one: { 'app.mjs': handler('one') },
      two: { 'app.mjs': handler('two') },
      current: t.fixture('symlink', 'one'),
    });
    const current = join(folder, 'current');
    const server = await startTricorn(t, join(current, 'app.mjs'), modes[mode]);
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
}

function growsNot(mode: Mode): void {
  t.test('30 reloads in a row: the supervisor has no more of anything than before', async (t) => {
    const execArgv = ['--expose-gc', '--import', PROBE];
    const server = await startTricorn(t, fixture('load-app.ts'), modes[mode], { execArgv });
    let generations = 0;
    let probes = 0;
    const size = async () => {
      await server.count(/^Generation \d+ has ended$/, generations);
      // It may have yet to close the connection of the command. Once it has heard of its workers it has.
      await statistics(server, loops[mode]);
      server.kill('SIGWINCH');
      const { listeners, resources, heapUsed, rss } = (await server.count(/^Probe$/, (probes += 1))) as Probe;
      const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
      const fds = readdirSync(`/proc/${server.pid}/fd`).length;
      return { counts: { fds, children: children.length, listeners, resources }, heapUsed, rss };
    };
    const reload = async (): Promise<void> => {
      t.match(await server.control('reload'), { code: 0 });
      generations += 1;
    };
    // What is loaded and compiled only at the first ones is there by then.
    for (let round = 0; round < 3; round += 1) await reload();
    const before = await size();
    for (let round = 0; round < 30; round += 1) await reload();
    const after = await size();
    t.same(after.counts, before.counts);
    t.ok(after.heapUsed < before.heapUsed + MIB, `heap ${before.heapUsed} -> ${after.heapUsed}`);
    t.ok(after.rss < before.rss + 5 * MIB, `rss ${before.rss} -> ${after.rss}`);
    t.equal(server.stderr, '', 'nor a warning of too many listeners');
    t.equal((await statusOf(server)).generation, 34);
  });
}

function recycles(mode: Mode): void {
  t.test('recycle replaces one worker, stop stops', async (t) => {
    const server = await startTricorn(t, fixture('load-app.ts'), modes[mode]);
    const wanted = loops[mode];
    const last = mode === 'prefork' ? 2 : 1;
    const before = await statusOf(server);
    const stdout = new RegExp(`^recycle done: worker ${last} .* is replaced`);
    t.match(await server.control('recycle', String(last)), { code: 0, stdout });
    const after = await statusOf(server);
    t.match(after, { wanted, ready: wanted }, 'the other one serves when the command says so');
    const pidOf = (shown: Shown, number: number) => shown.workers.find((worker) => worker.number === number)?.pid;
    if (mode === 'prefork') t.equal(pidOf(after, 1), pidOf(before, 1));
    t.not(pidOf(after, last), pidOf(before, last));
    t.match(await server.control('recycle', '9'), { code: 6, stderr: /no worker 9/ });
    t.match(await server.control('stop'), { code: 0 });
    t.strictSame(await server.ended, [0, null]);
  });
}

function recyclesTwice(mode: Mode): void {
  t.test('recycle of a worker that is being recycled is the same one', async (t) => {
    const folder = t.testdir({ 'app.mjs': handler('one') });
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: folder });
    writeFileSync(join(folder, 'app.mjs'), WAITS);
    const recycles = [server.control('recycle', '1')];
    await during(server, 'retiring');
    recycles.push(server.control('recycle', '1'));
    await server.line(/^Recycle: one runs already$/);
    writeFileSync(join(folder, 'go'), '');
    for (const done of await Promise.all(recycles)) t.match(done, { code: 0, stdout: /^recycle done: worker 1/ });
    t.equal(server.lines.filter(({ msg }) => /is due to be recycled/.test(msg)).length, 1);
  });
}

function recyclesInVain(mode: Mode): void {
  t.test('recycle says when the replacement could not start; the worker serves on', async (t) => {
    const folder = t.testdir({ 'app.mjs': handler('one') });
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: folder });
    writeFileSync(join(folder, 'app.mjs'), "throw new Error('not today');");
    const stderr = /recycle failed: worker 1 \(pid \d+\) serves on: one could not start[^]*not today[^]*TRC_APP_LOAD/;
    t.match(await server.control('recycle', '1'), { code: 1, stderr });
    t.equal((await get(server.url)).body, 'one');
    writeFileSync(join(folder, 'app.mjs'), handler('two'));
    await server.line(/^worker 1 .* has ended$/);
    t.equal((await statusOf(server)).ready, loops[mode], 'it is tried again until it can');
  });
}

function recyclesTheDead(mode: Mode): void {
  t.test('recycle waits for the replacement of a worker that dies before its turn comes', async (t) => {
    const folder = t.testdir({ 'app.mjs': handler('one') });
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: folder });
    writeFileSync(join(folder, 'app.mjs'), WAITS);
    const recycle = server.control('recycle', '1');
    const { workers } = await during(server, 'retiring');
    process.kill(workers.find(({ state }) => state === 'retiring')?.pid ?? 0, 'SIGKILL');
    await server.line(/^worker 1 .* died: signal SIGKILL/);
    writeFileSync(join(folder, 'go'), '');
    t.match(await recycle, {
      code: 0,
      stdout: /^recycle done: worker 1 .* has died, and another serves/,
    });
    t.equal((await statusOf(server)).ready, loops[mode]);
  });
}

/** Resolves when a worker is in that state. */
async function during(server: Tricorn, wanted: string): Promise<Shown> {
  for (;;) {
    const shown = await statusOf(server);
    if (shown.workers.some(({ state }) => state === wanted)) return shown;
  }
}

function booting(mode: Mode): void {
  t.test('status knows the figures of a worker that it was asked for while that booted', async (t) => {
    const folder = t.testdir({ 'app.mjs': handler('one') });
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: folder });
    writeFileSync(join(folder, 'app.mjs'), WAITS);
    const reload = server.control('reload');
    await server.line(/^Reload: .* starts$/);
    // A machine may be so slow that status does not wait for an answer: whoever asks again gets it.
    const usages = async (are: (usage: WorkerUsage) => boolean): Promise<void> => {
      for (;;) {
        const { workers } = await statusOf(server);
        const fresh = workers.filter(({ generation }) => generation === 2).map(({ usage }) => usage);
        if (fresh.length > 0 && fresh.every((usage) => usage && are(usage))) return;
      }
    };
    await usages(({ rss, loops: none }) => rss > 0 && none.length === 0);
    writeFileSync(join(folder, 'go'), '');
    t.match(await reload, { code: 0 });
    await usages((usage) => usage.loops.length > 0);
    t.pass('by those that it has when it serves');
  });
}

function scales(mode: Mode): void {
  t.test('scale says so where it cannot be', async (t) => {
    const folder = t.testdir({ 'app.mjs': handler('one') });
    const server = await startTricorn(t, 'app.mjs', modes[mode], { cwd: folder });
    writeFileSync(join(folder, 'app.mjs'), "throw new Error('not today');");
    t.match(
      await server.control('scale', '3'),
      mode === 'evented'
        ? { code: 6, stderr: /one event loop/ }
        : { code: 1, stderr: new RegExp(`Scaling to ${mode}, 3 (workers|threads): one could not start[^]*not today`) },
    );
    t.equal((await get(server.url)).body, 'one');
  });
}

interface Probe extends LogLine {
  readonly heapUsed: number;
  readonly rss: number;
  readonly listeners: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly resources: Readonly<Record<string, number>>;
}
