/** What supervision promises in every mode, shown on the real command: no worker hangs, leaks or wears out unseen. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { movedClock } from '../support/clock.ts';
import { get, getJson, HeldRequest, type Answer } from '../support/http.ts';
import { childrenOf, fixture, modes, startTricorn, Tricorn, type LogLine, type Mode } from '../support/tricorn.ts';
import { holds } from '../unit/log/support.ts';

const lab = fixture('lab.ts');

export function supervision(mode: Mode): void {
  const start = (t: Test, ...more: string[]): Promise<Tricorn> => startTricorn(t, lab, [...modes[mode], ...more]);
  stuck(start, mode);
  stuckAtTheStop(start);
  notStuck(start);
  worn(start, mode);
  overdue(start, mode);
  poison(start, mode);
}

type Start = (t: Test, ...flags: string[]) => Promise<Tricorn>;

/** A request that is held beside what a test is about has all the time in the world. */
const patient = ['--limit-time-real=1h', '--request-timeout=0'];

const isKill = ({ msg }: LogLine): boolean => /is stuck and is killed|did not end in time/.test(msg);

function stuck(start: Start, mode: Mode): void {
  t.test(
    'a stuck loop is killed and replaced; the log says who, how long, where, and with which requests',
    async (t) => {
      const server = await start(t, '--limit-time-cpu=0.4', ...patient);
      // Where there are threads, the one beside it must not notice.
      const beside = mode === 'threaded' ? await HeldRequest.begin(`${server.url}/wait`) : undefined;
      const blocked = await HeldRequest.begin(`${server.url}/block?token=1`);
      await t.rejects(blocked.untilCut());
      const killed = await server.line(/is stuck and is killed/);
      t.match(killed, {
        level: 60,
        silent_s: Number,
        requests: [/^POST \/block\?token=1 \([\d.]+ s\)$/],
        stack: /at blockForEver .*lab\.ts:/,
      });
      t.match(killed.msg, mode === 'threaded' ? /^thread \d/ : /^worker \d/);
      t.match(await server.line(/asked to drain, aborted in 1 s/), { limit: 'limit_time_cpu' });
      await server.line(/^(worker|thread) \d .*is ready/);
      t.equal((await get(`${server.url}/who`)).status, 200);
      if (beside) t.match(await beside.finish(), { status: 200, body: 'waited' });
    },
  );

  t.test('a loop that is blocked outside of JavaScript, too', async (t) => {
    const fifo = join(t.testdir({}), 'fifo');
    execFileSync('mkfifo', [fifo]);
    const server = await start(t, '--limit-time-real=2');
    const blocked = get(`${server.url}/block-outside?fifo=${fifo}`).catch(() => {});
    t.match(await server.line(/is stuck and is killed/), { stack: /stuck outside of JavaScript/ });
    await server.line(/^(worker|thread) \d .*is ready/);
    t.equal((await get(`${server.url}/who`)).status, 200);
    // A thread can end only with that call.
    closeSync(openSync(fifo, 'r+'));
    await blocked;
  });

  t.test('the reason for a kill comes into a logfile, too', async (t) => {
    const logfile = join(t.testdir({}), 'log');
    const server = new Tricorn(t, [
      lab,
      ...modes[mode],
      '--http-interface=127.0.0.1',
      '--http-port=0',
      `--logfile=${logfile}`,
      '--limit-time-cpu=0.3',
    ]);
    const url = /http:\/\/[\d.:]+/.exec(await holds(logfile, 'Ready: '))?.[0];
    await t.rejects(get(`${url}/block`));
    await holds(logfile, ' is ready"');
    t.match(readFileSync(logfile, 'utf8'), /"requests":\["GET \/block .*blockForEver.*is stuck and is killed/);
    server.kill('SIGTERM');
    await server.ended;
  });
}

function stuckAtTheStop(start: Start): void {
  t.test('a loop that is stuck at the stop: the log says where, and what is lost', async (t) => {
    const server = await start(t, '--graceful-timeout=0.5');
    const blocked = await HeldRequest.begin(`${server.url}/block`);
    server.kill('SIGTERM');
    t.match(await server.line(/did not end in time/), { requests: [/^POST \/block \(/], stack: /blockForEver/ });
    t.strictSame(await server.ended, [0, null]);
    await t.rejects(blocked.untilCut());
  });
}

/** Who is late, but not stuck, lives. */
function notStuck(start: Start): void {
  t.test('a loop that is blocked for less than the limit lives', async (t) => {
    const server = await start(t, '--limit-time-cpu=10', '--limit-time-real=10');
    const workers = server.workers();
    t.equal((await get(`${server.url}/spin?ms=300`)).body, 'spun');
    t.equal((await get(`${server.url}/who`)).status, 200);
    t.strictSame(server.workers(), workers);
    t.notOk(server.lines.some(isKill));
  });

  t.test('suspended for twice the limit and resumed: nobody is killed', async (t) => {
    const server = await start(t, '--limit-time-cpu=2', '--limit-time-real=2');
    const all = [server.pid, ...childrenOf(server.pid)];
    // Whole, then the supervisor alone, then the workers alone.
    for (const some of [all, all.slice(0, 1), all.slice(1)]) {
      for (const pid of some) process.kill(pid, 'SIGSTOP');
      // This is the fault itself, not a wait for something: the time in which nobody runs.
      await pass(4000);
      for (const pid of some) process.kill(pid, 'SIGCONT');
      t.equal((await get(`${server.url}/who`)).status, 200);
    }
    t.strictSame(childrenOf(server.pid), all.slice(1), 'the same workers');
    t.notOk(server.lines.some(isKill));
  });
}

function worn(start: Start, mode: Mode): void {
  t.test('limit_request: recycled, the replacement first, and no request is lost', async (t) => {
    const server = await start(t, '--limit-request=20', '--limit-request-jitter=0');
    const statuses = new Set<number>();
    while (!server.lines.some(({ msg }) => msg.endsWith('has ended')))
      statuses.add((await get(`${server.url}/who`)).status);
    t.strictSame([...statuses], [200]);
    await server.line(/is due to be recycled: limit_request: \d+ requests/);
    const order = server.lines.map(({ msg }) => msg).filter((msg) => /is ready$|has ended$/.test(msg));
    t.match(order.slice(0, 2), [/is ready$/, /has ended$/]);
  });

  t.test('limit_time_worker: recycled by age', async (t) => {
    const server = await start(t, '--limit-time-worker=0.5', '--limit-request-jitter=0');
    await server.line(/is due to be recycled: limit_time_worker/);
    await server.line(/has ended$/);
    t.equal((await get(`${server.url}/who`)).status, 200);
  });

  t.test('limit_memory_soft: recycled', async (t) => {
    const server = await start(t, ...memory('soft', '250MiB'));
    t.equal((await get(`${server.url}/leak`)).body, 'leaked');
    await server.line(/is due to be recycled: limit_memory_soft: \d+ MiB/);
    await server.line(/has ended$/);
    t.equal((await get(`${server.url}/who`)).status, 200);
  });

  t.test('limit_memory_hard: killed at once, replaced', async (t) => {
    const server = await start(t, ...memory('soft', '0'), ...memory('hard', '350MiB'));
    // Until one worker has had enough of them; the one that dies cuts its connection.
    const isKilled = ({ msg }: LogLine): boolean => /limit_memory_hard: \d+ MiB, killed/.test(msg);
    await HeldRequest.begin(`${server.url}/wait`);
    while (!server.lines.some(isKilled)) await get(`${server.url}/leak`).catch(() => {});
    const requests = (server.lines.find(isKilled)?.['requests'] ?? []) as string[];
    // In prefork another worker may have it.
    t.ok(requests.some((name) => name.startsWith('POST /wait')) || mode === 'prefork', 'what the kill took with it');
    await server.line(/^worker \d .*is ready/);
    // In prefork the other one may have had enough, too.
    while ((await get(`${server.url}/who`).catch(() => undefined))?.status !== 200);
  });

  if (mode === 'threaded') {
    t.test('a thread that runs out of memory ends alone', async (t) => {
      const server = await start(t, ...memory('hard', '400MiB'), ...memory('soft', '0'), ...patient);
      const { pid } = await getJson<{ pid: number }>(`${server.url}/who`);
      const beside = await HeldRequest.begin(`${server.url}/wait`);
      await t.rejects(get(`${server.url}/oom`));
      await server.line(/^thread \d died/);
      await server.line(/^thread \d is ready/);
      t.match(await beside.finish(), { status: 200, body: 'waited' });
      t.equal((await getJson<{ pid: number }>(`${server.url}/who`)).pid, pid, 'the process lives on');
    });
  }
}

/** The limit for whichever role the mode has. */
function memory(which: 'soft' | 'hard', size: string): string[] {
  return [`--limit-memory-${which}=${size}`, `--limit-memory-${which}-evented=${size}`];
}

function overdue(start: Start, mode: Mode): void {
  t.test('a request over limit_time_real is answered 503 and named in the log; others do not notice', async (t) => {
    const server = await start(t, '--limit-time-real=1.5');
    t.match(await get(`${server.url}/never?token=2`), {
      status: 503,
      headers: { connection: 'close' },
      body: /TRC_REQUEST_TIME/,
    });
    t.match(await server.line(/over limit_time_real, answered 503/), {
      level: 40,
      request: 'GET /never?token=2',
      age_s: Number,
    });
    t.equal((await get(`${server.url}/who`)).status, 200);
    t.notOk(server.lines.some(isKill), 'its loop turned all the time');
  });

  t.test('an event stream may last, however it gave its header', async (t) => {
    const server = await start(t, '--limit-time-real=1', '--request-timeout=0');
    const stream = await HeldRequest.begin(`${server.url}/events`);
    // Whoever wishes one and gets none is no exception.
    const headers = { accept: 'text/event-stream' };
    t.equal((await get(`${server.url}/never`, { headers })).status, 503);
    t.match(await stream.finish(), { status: 200, body: 'data: begun\n\ndata: done\n\n' });
  });

  for (const app of ['signal-fastify.ts', 'signal-fetch.ts']) {
    t.test(`${app}: its AbortSignal fires, so that the handler can stop its work`, async (t) => {
      const server = await startTricorn(t, fixture(app), [...modes[mode], '--limit-time-real=1']);
      t.equal((await get(`${server.url}/wait`)).status, 503);
      await server.line(/the handler has heard the signal/);
    });
  }

  t.test('max_inflight and max_queue: who waits is answered in turn, who is too many gets 503', async (t) => {
    const one = mode === 'threaded' ? ['--threads=1'] : mode === 'prefork' ? ['--workers=1'] : [];
    const server = await start(t, ...one, '--max-inflight=1', '--max-queue=1');
    const first = await HeldRequest.begin(`${server.url}/wait`);
    const second = get(`${server.url}/who`);
    // Of any two more one at least is too many, whichever of the three comes first.
    const others = await Promise.race([get(`${server.url}/who`), get(`${server.url}/who`), second]);
    t.match(others, { status: 503, headers: { 'retry-after': /^\d+$/ }, body: /TRC_OVERLOADED/ });
    t.equal((await first.finish()).body, 'waited');
    t.equal((await get(`${server.url}/who`)).status, 200);
  });
}

function poison(start: Start, mode: Mode): void {
  t.test('what has killed three loops within a minute is refused, in every worker and thread', async (t) => {
    const server = await start(t, '--limit-time-cpu=0.3', '--poison-threshold=2');
    for (let kill = 1; kill <= 2; kill += 1) {
      await t.rejects(get(`${server.url}/block-later?try=${kill}`));
      t.match(await server.count(/is stuck and is killed/, kill), { request: `GET /block-later?try=${kill}` });
    }
    t.match(await server.line(/^GET \/block-later has led to 2 kills/), { level: 50 });
    await server.count(/is ready$/, 2);
    for (let probe = 0; probe < 6; probe += 1) {
      t.match(await get(`${server.url}/block-later?again`), { status: 503, body: /TRC_POISON/ });
    }
    server.kill('SIGUSR1');
    t.match(await server.line(/^Statistics of the supervisor/), { poison: ['GET /block-later'] });
    t.equal((await get(`${server.url}/who`)).status, 200);
  });

  t.test('the minute ends: it is answered again, by those that refused it and by those that start later', async (t) => {
    const { options, ahead } = movedClock(t);
    const flags = [...modes[mode], '--limit-time-cpu=0.3', '--poison-threshold=2'];
    const server = await startTricorn(t, lab, flags, options);
    // The same route, deadly or not.
    const statuses = async (): Promise<number[]> => {
      const answers: Answer[] = [];
      while (answers.length < 6) answers.push(await get(`${server.url}/spin?ms=1`));
      return [...new Set(answers.map(({ status }) => status))];
    };
    for (let kill = 1; kill <= 2; kill += 1) {
      await t.rejects(get(`${server.url}/spin?ms=3600000`));
      await server.count(/is stuck and is killed/, kill);
    }
    await server.line(/^GET \/spin has led to 2 kills/);
    await server.count(/is ready$/, 2);
    t.same(await statuses(), [503]);
    ahead(30_000);
    t.same(await statuses(), [503], 'half a minute later');
    ahead(60_000);
    t.same(await statuses(), [200], 'a minute later');
    server.kill('SIGUSR1');
    t.equal((await server.line(/^Statistics of the supervisor/))['poison'], undefined);
    for (const pid of server.workers()) process.kill(pid, 'SIGKILL');
    t.same(await statuses(), [200], 'and those who come then');
    t.equal(server.lines.filter(isKill).length, 2, 'nobody was ended for the time that has passed');
  });
}
