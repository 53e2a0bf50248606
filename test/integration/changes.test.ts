/** Changes of a running service by its control socket, on the real command, under a load that verifies every byte. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { type Load, startLoad } from '../support/load/load.ts';
import { formatReport } from '../support/load/tally.ts';
import { statusOf, untilReady } from '../support/status.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

const everybody = { keepAlive: 4, fresh: 2, pipelined: 1, upload: 1, download: 1, sse: 1, websocket: 1 };

function begin(t: Test, server: Tricorn): Load {
  const load = startLoad(server.url, { clients: everybody });
  t.teardown(() => load.stop());
  return load;
}

/** Waits for what is to happen meanwhile; rejects at the load's first failure. */
async function during<T>(load: Load, event: Promise<T>): Promise<T> {
  return Promise.race([event, load.until(Infinity).then(() => event)]);
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
