/**
 * What a canary promises, on the real command: a version that is as good is promoted, one that is worse goes away by
 * itself, with the figures in the log; and the old workers are not touched. canary.*.test.ts run it, one file a mode.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { movedClock } from '../support/clock.ts';
import { get } from '../support/http.ts';
import { type Load, startLoad } from '../support/load/load.ts';
import { formatReport } from '../support/load/tally.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

const everybody = { keepAlive: 12, fresh: 12, pipelined: 1, upload: 1, download: 1, sse: 1, websocket: 1 };
const RELOADED = /^Reload: generation \d+ serves/;
const FAILED = /^Reload failed, generation \d+ serves on/;
const JUDGED = /^Canary( passed| failed|: too)/;
const BEGUN = /^Canary: \d of \d workers, [\d.]+ s$/;

/** The app of the load, with a route that says which version it is and one more. Each of its requests takes `ms` at least. */
function appOf(version: string, more: string, ms = 0): string {
  return `
    import { defineApp } from 'tricorn';
    import app, { plugin } from ${JSON.stringify(fixture('load-app.ts'))};
    const pass = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    export default defineApp({
      http: async (fastify) => {
        if (${ms} > 0) fastify.addHook('onRequest', () => pass(${ms}));
        fastify.get('/version', async () => ${JSON.stringify(version)});
        fastify.get('/more', async (request, reply) => { ${more} });
        await plugin(fastify);
      },
      onStart: app.onStart,
    });`;
}

/** So long that what a busy machine adds to it makes no version look worse than the other. */
const STEADY_MS = 200;

const GOOD = "return 'good';";

/** What has become of the requests for /more. */
interface Asked {
  /** Not answered yet: by number, how many were when it began. */
  readonly pending: Map<number, number>;
  answered: number;
  failed: number;
  slow: number;
}

interface Worse {
  /** What its /more does. */
  readonly more: string;
  /** What the log says of it. */
  readonly says: RegExp;
  /** Whether it has shown; absent: it goes away by itself. */
  readonly shows?: (asked: Asked) => boolean;
}

/** Of each event loop, 50 requests do not count; with fewer than 20 that do, nothing is known. */
const ENOUGH = 160;

/** So many hang: since each of them began, as many others were answered as it takes. */
const hangs =
  (count: number) =>
  ({ answered, pending }: Asked): boolean =>
    [...pending.values()].filter((before) => answered - before >= ENOUGH).length >= count;

const bad: Readonly<Record<string, Worse>> = {
  'answers 500 to some': {
    more: "return reply.code(Math.random() < 0.5 ? 500 : 200).send('');",
    says: /error rate/,
    shows: ({ failed }) => failed >= ENOUGH,
  },
  'is slow': {
    more: "await pass(1000); return 'slow';",
    says: /p95/,
    shows: ({ slow }) => slow >= ENOUGH,
  },
};

/** These take other requests down with them. */
const ruinous: Readonly<Record<string, Worse>> = {
  'never answers': { more: 'await new Promise(() => {});', says: /p95/, shows: hangs(ENOUGH) },
  'blocks its event loop': { more: 'for (;;);', says: /is blocked/, shows: hangs(1) },
  'throws where nobody catches it': {
    more: "setImmediate(() => { throw new Error('no'); }); await pass(10);",
    says: /it has lost/,
  },
  'ends its event loop': { more: 'process.exit(9);', says: /it has lost/ },
};

interface Site {
  readonly server: Tricorn;
  readonly load: Load;
  deploy(version: string, more: string, ms?: number): void;
  version(): Promise<string>;
  /** A canary of an hour is over: how much there is to judge does not depend on how fast the machine is. */
  endCanary(): void;
}

async function start(t: Test, mode: Mode, canary = '50%,1h', ini = '', ms = 0): Promise<Site> {
  const clock = movedClock(t, 'supervisor');
  let hours = 0;
  const folder = t.testdir({
    'app.mjs': appOf('one', GOOD, ms),
    'tricorn.ini': `[options]\ncanary = ${canary}\n${ini}`,
  });
  const flags = [...modes[mode], '--no-access-log'];
  const server = await startTricorn(t, 'app.mjs', flags, { cwd: folder, ...clock.options });
  const load = startLoad(server.url, { clients: everybody });
  t.teardown(() => load.stop());
  return {
    server,
    load,
    deploy: (version, more, each) => writeFileSync(join(folder, 'app.mjs'), appOf(version, more, each)),
    version: async () => (await get(`${server.url}/version`)).body,
    endCanary: () => clock.ahead((hours += 1) * 3_600_000),
  };
}

/** Many clients ask for /more, one request after the other, whatever comes of it. They end with the test, or by stop(). */
function ask(
  t: Test,
  server: Tricorn,
): { until(enough: (asked: Asked) => boolean): Promise<void>; stop(): Promise<unknown> } {
  const asking = new AbortController();
  const asked: Asked = { pending: new Map(), answered: 0, failed: 0, slow: 0 };
  let begun = 0;
  let tell = (): void => {};
  const one = async (): Promise<void> => {
    const number = (begun += 1);
    asked.pending.set(number, asked.answered);
    const answer = await get(`${server.url}/more`).catch(() => undefined);
    asked.pending.delete(number);
    if (answer) asked.answered += 1;
    if (answer?.status === 500) asked.failed += 1;
    if (answer?.body === 'slow') asked.slow += 1;
    tell();
  };
  const client = async (): Promise<void> => {
    while (!asking.signal.aborted) await one();
  };
  const clients = Promise.all(Array.from({ length: 40 }, client));
  // Others come whatever becomes of these: where the new version hangs, all of them may hang before the old one has had a few.
  const others = setInterval(() => {
    for (let left = 10; left > 0; left -= 1) void one();
  }, 50);
  const stop = (): Promise<unknown> => {
    asking.abort();
    clearInterval(others);
    return clients;
  };
  t.teardown(() => void stop());
  const until = (enough: (asked: Asked) => boolean): Promise<void> =>
    new Promise((resolve) => {
      tell = () => {
        if (enough(asked)) resolve();
      };
    });
  return { until, stop };
}

/** Resolves when the new version has answered so often. */
async function served({ version }: Site, wanted: string): Promise<void> {
  let answers = 0;
  const client = async (): Promise<void> => {
    while (answers < ENOUGH) if ((await version()) === wanted) answers += 1;
  };
  await Promise.all(Array.from({ length: 20 }, client));
}

/** Waits for what is to happen; rejects at the load's first failure. */
async function during<T>(load: Load, event: Promise<T>): Promise<T> {
  return Promise.race([event, load.until(Infinity).then(() => event)]);
}

async function triesOf(t: Test, { server, deploy, version, endCanary }: Site, kinds: typeof bad): Promise<void> {
  const old = server.workers();
  let failed = 0;
  for (const [kind, { more, says, shows }] of Object.entries(kinds)) {
    deploy('two', more);
    server.kill('SIGHUP');
    failed += 1;
    await server.count(BEGUN, failed);
    const asking = ask(t, server);
    const promoted = server.line(RELOADED).then(() => Promise.reject(new Error(`${kind}: it was promoted`)));
    const decided = Promise.race([server.count(FAILED, failed), promoted]);
    if (shows) {
      await Promise.race([asking.until(shows), decided]);
      endCanary();
    }
    const { code, msg } = await decided;
    t.equal(code, 'TRC_CANARY', kind);
    t.match(msg, says, kind);
    t.equal(await version(), 'one', kind);
    await asking.stop();
    await server.line(new RegExp(`^Generation ${failed + 1} has ended$`));
    t.same(server.workers(), old, `${kind}: the old workers, and no others`);
    t.comment(msg);
  }
}

export function canaries(mode: Mode): void {
  promoted(mode);
  givenUp(mode);
  unjudged(mode);
  told(mode);
  stopped(mode);
}

function promoted(mode: Mode): void {
  for (const strategy of ['surge', 'rolling']) {
    t.test(`a version that is as good is promoted, and no request is lost: ${strategy}`, async (t) => {
      const site = await start(t, mode, '50%,1h', `reload_strategy = ${strategy}`, STEADY_MS);
      const { server, load, deploy, version } = site;
      const old = new Set(server.workers());
      await load.until(100);
      deploy('two', GOOD, STEADY_MS);
      server.kill('SIGHUP');
      await during(load, server.line(BEGUN));
      t.ok(
        [...old].every((pid) => server.workers().includes(pid)),
        'beside the old ones',
      );
      await during(load, served(site, 'two'));
      site.endCanary();
      const line = await during(load, server.line(JUDGED));
      t.match(line.msg, /^Canary passed: new p95 .* ms, errors 0 % .*; old p95/);
      t.match(line, { generation: 2, new: { errors: 0, error_rate: 0 }, old: { errors: 0, error_rate: 0 } });
      for (const { requests, p95_ms } of [line['new'], line['old']] as { requests: number; p95_ms: number }[])
        t.ok(requests > 20 && p95_ms > 0, `${requests} requests, ${p95_ms} ms`);
      await during(load, server.line(RELOADED));
      t.equal(await version(), 'two');
      const report = await load.stop();
      t.strictSame(report.failures, [], formatReport(report));
      t.comment(line.msg);
    });
  }
}

function givenUp(mode: Mode): void {
  t.test('versions that are worse go away by themselves, and no request of others is lost', async (t) => {
    const site = await start(t, mode);
    await triesOf(t, site, bad);
    const report = await site.load.stop();
    t.strictSame(report.failures, [], formatReport(report));
    site.deploy('three', GOOD);
    site.server.kill('SIGHUP');
    await site.server.count(BEGUN, Object.keys(bad).length + 1);
    site.endCanary();
    await site.server.line(RELOADED);
    t.equal(await site.version(), 'three', 'and the next good one is taken');
  });

  t.test('versions that take other requests down with them go away, too', async (t) => {
    // What hangs must be cut.
    const site = await start(t, mode, '50%,1h', 'graceful_timeout = 2');
    // The old ones are warm.
    await site.load.until(500);
    await site.load.stop();
    await triesOf(t, site, ruinous);
  });

  t.test('a canary that is killed is given up at once', async (t) => {
    const { server, load, deploy, version } = await start(t, mode, '10%,1h');
    const old = new Set(server.workers());
    deploy('two', GOOD);
    server.kill('SIGHUP');
    await server.line(/^Canary: 1 of \d workers, 3600 s$/);
    const canary = server.workers().filter((pid) => !old.has(pid));
    t.equal(canary.length, 1);
    await load.stop();
    process.kill(canary[0] ?? 0, 'SIGKILL');
    const { msg } = await server.line(FAILED);
    t.match(msg, /the canary failed: it has lost worker 1 \(pid \d+\), signal SIGKILL/);
    t.equal(await version(), 'one');
    t.same(new Set(server.workers()), old);
  });
}

function unjudged(mode: Mode): void {
  t.test('nobody asks: it is taken, and the log says that nothing is known', async (t) => {
    const { server, load, deploy, version } = await start(t, mode, '50%,1s');
    await load.stop();
    deploy('two', GOOD);
    server.kill('SIGHUP');
    await server.line(/^Canary: too little traffic to judge, it goes on: new p95 unknown, errors 0 % \(0 of 0\)/);
    await server.line(RELOADED);
    t.equal(await version(), 'two');
  });
}

function told(mode: Mode): void {
  t.test('who asks for the reload is told of the canary', async (t) => {
    const { server, load, deploy } = await start(t, mode, '50%,1s');
    // Nobody is compared: what is told does not depend on the verdict.
    await load.stop();
    deploy('two', GOOD);
    const { code, stderr } = await server.control('reload');
    t.equal(code, 0);
    t.match(stderr, /^workers ready (\d)\/\d, canary: \1 of \d workers, 1 s$/m);
  });
}

function stopped(mode: Mode): void {
  t.test('a stop while a canary runs', async (t) => {
    const { server, load } = await start(t, mode, '10%,1h');
    server.kill('SIGHUP');
    await server.line(BEGUN);
    load.expectStop();
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    const report = await load.refused();
    t.strictSame(report.failures, [], formatReport(report));
  });
}
