/** What supervision promises in every mode, shown on the real command: no worker hangs, leaks or wears out unseen. */
import { setTimeout as pass } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { get, getJson, HeldRequest } from '../support/http.ts';
import { childrenOf, fixture, modes, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';

const lab = fixture('lab.ts');

export function supervision(mode: Mode): void {
  const start = (t: Test, ...more: string[]): Promise<Tricorn> => startTricorn(t, lab, [...modes[mode], ...more]);
  stuck(start, mode);
  worn(start, mode);
}

type Start = (t: Test, ...flags: string[]) => Promise<Tricorn>;

const isKill = ({ msg }: LogLine): boolean => /is stuck and is killed|did not end in time/.test(msg);

function stuck(start: Start, mode: Mode): void {
  t.test(
    'a stuck loop is killed and replaced; the log says who, how long, where, and with which requests',
    async (t) => {
      const server = await start(t, '--limit-time-cpu=0.4');
      // Where there are threads, the one beside it must not notice.
      const beside = mode === 'threaded' ? await HeldRequest.begin(`${server.url}/wait`) : undefined;
      const blocked = await HeldRequest.begin(`${server.url}/block?token=1`);
      await t.rejects(blocked.untilCut());
      const killed = await server.line(/is stuck and is killed/);
      t.match(killed, {
        level: 50,
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

  t.test('a loop that is blocked for less than the limit lives', async (t) => {
    const server = await start(t, '--limit-time-cpu=10', '--limit-time-real=10');
    const workers = server.workers();
    t.equal((await get(`${server.url}/spin?ms=300`)).body, 'spun');
    t.equal((await get(`${server.url}/who`)).status, 200);
    t.strictSame(server.workers(), workers);
    t.notOk(server.lines.some(isKill));
  });

  t.test('suspended for twice the limit and resumed: nobody is killed', async (t) => {
    const server = await start(t, '--limit-time-cpu=0.4', '--limit-time-real=0.4');
    const all = [server.pid, ...childrenOf(server.pid)];
    // Whole, then the supervisor alone, then the workers alone.
    for (const some of [all, all.slice(0, 1), all.slice(1)]) {
      for (const pid of some) process.kill(pid, 'SIGSTOP');
      // This is the fault itself, not a wait for something: the time in which nobody runs.
      await pass(800);
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
    while (!server.lines.some(isKilled)) await get(`${server.url}/leak`).catch(() => {});
    await server.line(/^worker \d .*is ready/);
    t.equal((await get(`${server.url}/who`)).status, 200);
  });

  if (mode === 'threaded') {
    t.test('a thread that runs out of memory ends alone', async (t) => {
      const server = await start(t, ...memory('hard', '400MiB'), ...memory('soft', '0'));
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
