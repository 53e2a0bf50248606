/** What every mode does with `tricorn reload --live`: settings change in the workers that run, and nothing else does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get, HeldRequest } from '../support/http.ts';
import { startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

const APP = `
import { defineApp } from 'tricorn';
import { writeSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { threadId } from 'node:worker_threads';
const loop = process.pid + '.' + threadId;
const kept = [];
export default defineApp({
  http: async (fastify) => {
    fastify.get('/loop', async (request) => {
      request.log.debug('asked for its loop');
      return loop;
    });
    fastify.get('/keep/:mib', async (request) => {
      kept.push(Buffer.alloc(request.params.mib * 1024 * 1024, 1));
      return loop;
    });
    fastify.get('/heap', () => String(getHeapStatistics().heap_size_limit));
    // Its request is answered once it has all arrived; so long it runs.
    fastify.addContentTypeParser('*', (_request, body, done) => void body.resume().on('end', done));
    fastify.addHook('onRequest', async (request) => request.log.info('runs ' + request.url));
    fastify.post('/held', async () => loop);
    fastify.get('/slow', (request) => {
      fastify.log.info('slow begins');
      return new Promise(() => {});
    });
    fastify.get('/block', () => {
      writeSync(1, '{"msg":"blocks"}\\n');
      for (;;);
    });
  },
});`;

const single: Readonly<Record<Mode, string>> = {
  threaded: 'threads = 1',
  prefork: 'workers = 1',
  evented: 'evented = true',
};

const populations: Readonly<Record<Mode, string>> = {
  threaded: 'threads = 2',
  prefork: 'workers = 2',
  evented: 'evented = true',
};

interface Running {
  readonly server: Tricorn;
  /** Writes these lines into the ini, and has them applied. @returns what the command says */
  apply(...lines: readonly string[]): Promise<string>;
  /** Of all event loops. */
  loops(wanted?: number): Promise<Set<string>>;
}

function start(t: Test, mode: Mode, ...lines: readonly string[]): Promise<Running> {
  return startWith(t, { mode, lines });
}

interface Given {
  readonly mode: Mode;
  readonly lines?: readonly string[];
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

async function startWith(t: Test, { mode, lines = [], flags = [], env = {} }: Given): Promise<Running> {
  const ini = (more: readonly string[]): string => `[options]\naccess_log = false\n${more.join('\n')}\n`;
  // Behind a link, as deploys have it: the release that runs already is no change.
  const current = t.fixture('symlink', '.');
  const folder = t.testdir({ 'app.mjs': APP, current, 'tricorn.ini': ini(populated(mode, lines)) });
  const server = await startTricorn(t, 'current/app.mjs', flags, { cwd: folder, env });
  const apply = async (...fresh: readonly string[]): Promise<string> => {
    writeFileSync(join(folder, 'tricorn.ini'), ini(populated(mode, fresh)));
    const { code, stdout, stderr } = await server.control('reload', '--live');
    return `${code}: ${stdout}${stderr}`;
  };
  // At once: one after the other they may all find the same loop the least busy.
  const loops = async (wanted = mode === 'evented' ? 1 : 2): Promise<Set<string>> => {
    const seen = new Set<string>();
    while (seen.size < wanted) {
      const answers = await Promise.all(Array.from({ length: 2 * wanted }, () => get(`${server.url}/loop`)));
      for (const { body } of answers) seen.add(body);
    }
    return seen;
  };
  return { server, apply, loops };
}

function populated(mode: Mode, lines: readonly string[]): readonly string[] {
  return lines.some((line) => /^(threads|workers|evented)/.test(line)) ? lines : [populations[mode], ...lines];
}

export function liveSettings(mode: Mode): void {
  logAndTime(mode);
  processorTime(mode);
  requests(mode);
  jitter(mode);
  queue(mode);
  wear(mode);
  heap(mode);
  poison(mode);
  mistake(mode);
  overridden(mode);
  population(mode);
}

function logAndTime(mode: Mode): void {
  t.test('log_level and limit_time_real, in loops that serve on', async (t) => {
    const { server, apply, loops } = await start(t, mode);
    const before = await loops();
    const slow = get(`${server.url}/slow`);
    await server.line(/^slow begins/);
    // Long enough that a loop which waits for its processor is not taken for a blocked one.
    const applied = await apply('log_level = debug', 'limit_time_real = 2', 'backlog = 17', 'pidfile = other.pid');
    t.match(
      applied,
      /^0: reload done: limit_time_real = 2 s, log_level = debug; for a reload without --live: backlog; for a restart: pidfile$/m,
    );
    t.match(await slow, { status: 503, body: /TRC_REQUEST_TIME/ }, 'what has begun is judged by it');
    t.same(await loops(), before, 'the same event loops');
    await server.line(/^asked for its loop/);
    t.match(await apply('log_level = warn', 'backlog = 17'), /limit_time_real = 120 s, log_level = warn; /);
    const { length } = server.lines;
    t.same(await loops(), before);
    t.notOk(server.lines.slice(length).some(({ msg }) => /asked for its loop/.test(msg)));
  });
}

function processorTime(mode: Mode): void {
  t.test(
    'limit_time_cpu: a loop that is blocked already is killed, and so are its replacements, with their stacks',
    async (t) => {
      const { server, apply } = await start(t, mode, 'limit_time_cpu = 600', 'limit_time_real = 600');
      const stuck = t.rejects(get(`${server.url}/block`));
      await server.line(/^blocks/);
      t.match(await apply('limit_time_cpu = 0.3', 'limit_time_real = 600'), /^0: .*limit_time_cpu = 0.3 s/);
      await server.count(/its event loop is stuck and is killed/, 1);
      await stuck;
      for (const time of [2, 3]) {
        const stuckAgain = t.rejects(get(`${server.url}/block`));
        t.match(await server.count(/its event loop is stuck and is killed/, time), { stack: /app\.mjs/ });
        await stuckAgain;
      }
    },
  );
}

function requests(mode: Mode): void {
  t.test('limit_request: those that have served so many are recycled at once', async (t) => {
    const { server, apply, loops } = await start(t, mode);
    const before = await loops();
    t.match(await apply('limit_request = 1', 'limit_request_jitter = 0'), /^0: .*limit_request = 1/);
    await server.line(/due to be recycled: limit_request/);
    const recycled = async (): Promise<boolean> => [...(await loops())].some((loop) => !before.has(loop));
    while (!(await recycled()));
    t.pass('a new loop answers');
  });
}

function jitter(mode: Mode): void {
  t.test('limit_request_jitter: what lies over the bare limit is recycled', async (t) => {
    const limit = 'limit_request = 100';
    const { server, apply } = await start(t, mode, limit, 'limit_request_jitter = 1000');
    // With two loops, one has had half of them. By the jitter before, they would have gone on to 550 each on average.
    for (let n = 0; n < 200; n += 1) await get(`${server.url}/loop`);
    t.match(await apply(limit, 'limit_request_jitter = 0'), /^0: reload done: limit_request_jitter = 0$/m);
    await server.line(/due to be recycled: limit_request: [12]\d\d requests/);
  });
}

/** One event loop, and a request that runs in it until it is told to finish. */
async function startHeld(t: Test, mode: Mode, ...lines: readonly string[]): Promise<Running & { held: HeldRequest }> {
  const running = await start(t, mode, single[mode], ...lines);
  const held = await HeldRequest.begin(`${running.server.url}/held?first`);
  await running.server.line(/^runs \/held\?first/);
  return { ...running, held };
}

function queue(mode: Mode): void {
  t.test('max_inflight: the next one waits, and those that wait run where there are more places', async (t) => {
    const { server, apply, held } = await startHeld(t, mode);
    t.match(await apply(single[mode], 'max_inflight = 1'), /^0: reload done: max_inflight = 1$/m);
    const second = await HeldRequest.begin(`${server.url}/held?second`);
    const third = await HeldRequest.begin(`${server.url}/held?third`);
    t.match((await server.control('status', '--json')).stdout, /"waiting": 2/, 'the one that ran has its place');
    t.equal((await held.finish()).status, 200);
    await server.line(/^runs \/held\?second/);
    t.notOk(server.lines.some(({ msg }) => /third/.test(msg)));
    t.match(await apply(single[mode], 'max_inflight = 2'), /^0: reload done: max_inflight = 2$/m);
    await server.line(/^runs \/held\?third/);
    for (const request of [second, third]) t.equal((await request.finish()).status, 200);
  });

  t.test('max_queue: who would have waited is answered 503, who waits already goes on waiting', async (t) => {
    const one = [single[mode], 'max_inflight = 1'];
    const { server, apply, held } = await startHeld(t, mode, 'max_inflight = 1');
    const waits = await HeldRequest.begin(`${server.url}/held?waits`);
    t.match(await apply(...one, 'max_queue = 1'), /^0: reload done: max_queue = 1$/m);
    t.match(await get(`${server.url}/loop`), { status: 503, body: /TRC_OVERLOADED.*max_queue = 1 requests wait/s });
    for (const request of [held, waits]) t.equal((await request.finish()).status, 200);
  });

  t.test('max_queue_age: who has waited so long is answered 503', async (t) => {
    const one = [single[mode], 'max_inflight = 1'];
    const { server, apply, held } = await startHeld(t, mode, 'max_inflight = 1');
    const waits = get(`${server.url}/loop`);
    t.match(await apply(...one, 'max_queue_age = 0.1'), /^0: reload done: max_queue_age = 0.1 s$/m);
    t.match(await waits, { status: 503, body: /TRC_OVERLOADED.*max_queue_age = 0.1 s/s });
    t.notOk(server.lines.some(({ msg }) => msg.startsWith('runs /loop')));
    t.equal((await held.finish()).status, 200, 'what runs is not touched');
  });
}

function wear(mode: Mode): void {
  const limits = {
    limit_time_worker: ['limit_time_worker = 0.5'],
    limit_memory_soft: ['limit_memory_soft = 20MiB', 'limit_memory_soft_evented = 20MiB'],
  };
  for (const [limit, lines] of Object.entries(limits)) {
    t.test(`${limit}: those that are over it are recycled`, async (t) => {
      const { server, apply } = await start(t, mode);
      t.match(await apply(...lines), /^0: /);
      await server.line(new RegExp(`due to be recycled: ${limit}`));
      await server.line(/has ended$/);
      t.equal((await get(`${server.url}/loop`)).status, 200);
    });
  }

  t.test('limit_memory_hard: one that comes to be over it is killed', async (t) => {
    const { server, apply } = await start(t, mode);
    t.match(await apply('limit_memory_hard = 400MiB', 'limit_memory_hard_evented = 400MiB'), /^0: /);
    const killed = server.line(/limit_memory_hard: \d+ MiB, killed/).then(() => true);
    const keep = (): Promise<boolean> =>
      get(`${server.url}/keep/400`)
        .then(() => false)
        // It may be killed before it has answered.
        .catch(() => false);
    // Again, for a thread that is replaced for its heap takes with it what it keeps.
    for (let isKilled = false; !isKilled;) isKilled = await Promise.race([killed, keep()]);
  });

  t.test('limit_memory_hard: one that is over it already is recycled, and its requests are answered', async (t) => {
    const { server, apply } = await start(t, mode, single[mode]);
    await get(`${server.url}/keep/400`);
    const held = await HeldRequest.begin(`${server.url}/held`);
    const limits = ['limit_memory_hard = 400MiB', 'limit_memory_hard_evented = 400MiB'];
    t.match(await apply(single[mode], ...limits), /^0: /);
    await server.line(/is due to be recycled: limit_memory_hard: \d+ MiB, more than it may have now/);
    t.equal((await held.finish()).status, 200);
    await server.line(/^worker 1 .* has ended$/);
    t.notOk(server.lines.some(({ msg }) => /killed/.test(msg)));
  });
}

function heap(mode: Mode): void {
  if (mode !== 'threaded') return;
  t.test('limit_memory_hard: threads are replaced one after the other, for the heap that they may have', async (t) => {
    const { server, apply, loops } = await start(t, mode);
    const before = await loops();
    const limit = Number((await get(`${server.url}/heap`)).body);
    // Enough that each thread has some, also where it has yet to notice the end of a connection before.
    const held: HeldRequest[] = [];
    while (held.length < 6) held.push(await HeldRequest.begin(`${server.url}/held`));
    t.match(await apply('limit_memory_hard = 800MiB'), /^0: reload done: limit_memory_hard = 800 MiB$/m);
    const reason = 'limit_memory_hard: the limit of its heap is to be 400 MiB, and is 1280 MiB';
    await server.count(({ reason: told }) => told === reason, 2);
    await server.line(/^thread \d is ready/);
    t.equal(server.lines.filter(({ msg }) => /^thread \d (has ended|is ready)/.test(msg)).length, 1, 'one at a time');
    const answers = await Promise.all(held.map((request) => request.finish()));
    t.same(new Set(answers.map(({ body }) => body)), before, 'each finished where it began');
    await server.count(/^thread \d has ended/, 2);
    const after = await loops();
    t.notOk([...after].some((loop) => before.has(loop)));
    t.strictSame(pidsOf(after), pidsOf(before), 'the process stays');
    for (let n = 0; n < 4; n += 1) t.ok(Number((await get(`${server.url}/heap`)).body) < limit / 2);
  });
}

function pidsOf(loops: ReadonlySet<string>): string[] {
  return [...new Set([...loops].map((loop) => loop.split('.')[0] ?? ''))];
}

function poison(mode: Mode): void {
  t.test('poison_threshold: a route that has killed so many loops is refused', async (t) => {
    const { server, apply } = await start(t, mode, 'poison_threshold = 0');
    t.match(
      await apply('poison_threshold = 1', 'limit_time_cpu = 0.3', 'limit_time_real = 600'),
      /poison_threshold = 1/,
    );
    await t.rejects(get(`${server.url}/block`));
    await server.line(/has led to 1 kills of event loops/);
    // One that comes before the word of it is there blocks once more.
    let answer: Awaited<ReturnType<typeof get>> | undefined;
    while (!answer) answer = await get(`${server.url}/block`).catch(() => undefined);
    t.match(answer, { status: 503, body: /TRC_POISON/ });
  });
}

function mistake(mode: Mode): void {
  t.test('a mistake in the configuration changes nothing', async (t) => {
    const { server, apply, loops } = await start(t, mode);
    const before = await loops();
    t.match(await apply('log_level = debug', 'limit_time_real = soon'), /^1: .*tricorn\.ini:5 limit_time_real/s);
    t.same(await loops(), before);
    t.notOk(server.lines.some(({ msg }) => /asked for its loop/.test(msg)));
    t.match(await apply(), /^0: reload done: no live setting differs$/m);
  });
}

function overridden(mode: Mode): void {
  t.test('what a flag or the environment overrides is said to be', async (t) => {
    const given = { mode, flags: ['--limit-time-real=60'], env: { TRICORN_MAX_INFLIGHT: '9' } };
    const { apply } = await startWith(t, given);
    const real = 'limit_time_real in tricorn.ini:4 is overridden by --limit-time-real';
    t.match(await apply('limit_time_real = 5'), `0: reload done: no live setting differs; ${real}\n`);
    const inflight = 'max_inflight in tricorn.ini:5 is overridden by TRICORN_MAX_INFLIGHT';
    t.match(
      await apply('limit_time_real = 5', 'max_inflight = 8', 'log_level = warn', 'backlog = 17'),
      `0: reload done: log_level = warn; ${real}; ${inflight}; for a reload without --live: backlog\n`,
    );
  });
}

function population(mode: Mode): void {
  if (mode === 'evented') return;
  t.test('the population', async (t) => {
    const { server, apply, loops } = await start(t, mode);
    const key = mode === 'prefork' ? 'workers' : 'threads';
    t.match(await apply(`${key} = 3`), new RegExp(`^0: reload done: ${key} = 3$`, 'm'));
    t.equal((await loops(3)).size, 3);
    t.match(await apply(`${key} = 1`), new RegExp(`^0: reload done: ${key} = 1$`, 'm'));
    await server.line(mode === 'prefork' ? /^worker 3 .* has ended/ : /^thread 3 has ended/);
    // Prefork and evented contradict each other.
    const other = mode === 'prefork' ? 'workers' : 'evented';
    t.match(await apply(other === 'evented' ? 'evented = true' : 'threads = 2'), new RegExp(`--live: ${other}$`, 'm'));
  });
}
