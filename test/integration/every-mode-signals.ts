/** What its signals do in every mode. */
import t from 'tap';
import { get, HeldRequest, RawConnection } from '../support/http.ts';
import { startLab } from '../support/lab.ts';
import { statistics } from '../support/statistics.ts';
import { loops, type Mode, type Tricorn } from '../support/tricorn.ts';

export function signals(mode: Mode): void {
  scaling(mode);
  reports(mode);
  burst(mode);
}

function scaling(mode: Mode): void {
  t.test('TTIN and TTOU: one more, one less, never under one', async (t) => {
    const server = await startLab(t, mode);
    server.kill('SIGTTIN');
    if (mode === 'evented') {
      await server.line(/^Evented mode has one event loop/);
      return;
    }
    await server.line(/^Scaling to \w+, 3 /);
    await server.line(/^(worker|thread) 3 .*is ready/);
    t.strictSame(await loopNames(server, 3), ['1', '2', '3']);
    for (const left of [2, 1]) {
      server.kill('SIGTTOU');
      await server.line(new RegExp(`^Scaling to \\w+, ${left} `));
      await server.line(new RegExp(`^(worker|thread) ${left + 1} .*has ended`));
    }
    server.kill('SIGTTOU');
    await server.line(/^One (worker|thread) is the least/);
    t.strictSame(await loopNames(server, 1), ['1']);
    t.equal((await get(`${server.url}/who`)).status, 200);
  });

  if (mode !== 'evented') {
    t.test('TTOU drains: what is in flight there finishes', async (t) => {
      const server = await startLab(t, mode);
      // One on each loop: whichever goes, it has one.
      const held = await Promise.all([1, 2].map(() => HeldRequest.begin(`${server.url}/wait`)));
      server.kill('SIGTTOU');
      await server.line(/^Scaling to/);
      for (const request of held) t.match(await request.finish(), { status: 200, body: 'waited' });
    });
  }
}

/** The numbers of the loops that answer. */
async function loopNames(server: Tricorn, expected: number): Promise<string[]> {
  return (await statistics(server, expected)).map(({ worker, thread }) => `${thread || worker}`).toSorted();
}

/** What it tells of itself when asked. */
function reports(mode: Mode): void {
  t.test('USR1 logs the statistics of supervisor and every loop, with those of the app', async (t) => {
    const server = await startLab(t, mode);
    // On one connection: the end of another one might not have been noticed by then.
    const client = await RawConnection.open(server.port);
    await client.get('/who');
    client.send('POST /wait HTTP/1.1\r\nHost: lab\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n');
    await client.until(/^HTTP\/1\.1 100 /);
    const lines = await statistics(server, loops[mode]);
    const sum = (field: string): number => lines.reduce((total, line) => total + Number(line[field]), 0);
    t.equal(sum('requests'), 2);
    t.equal(sum('inflight'), 1);
    t.equal(sum('connections'), 1);
    t.equal(
      lines.reduce((total, { app }) => total + (app as { served: number }).served, 0),
      2,
    );
    for (const line of lines) {
      t.match(line, {
        utilisation: Number,
        delay_p50_ms: Number,
        delay_p99_ms: Number,
        heap_mib: Number,
        rss_mib: Number,
      });
    }
    t.match(await server.line(/^Statistics of the supervisor/), { rss_mib: Number, workers: { ready: Number } });
    client.send('0\r\n\r\n');
    t.match(await client.answer(), /^HTTP\/1\.1 200 /);
  });

  t.test('QUIT logs the stacks of supervisor and every loop, also of one that is blocked', async (t) => {
    const server = await startLab(t, mode);
    await HeldRequest.begin(`${server.url}/block`);
    await server.line(/^blocks for ever$/);
    server.kill('SIGQUIT');
    await server.line(/^Stack of the supervisor/);
    await server.count(/^Stack of worker/, loops[mode]);
    const stacks = server.lines.filter(({ msg }) => msg.startsWith('Stack of worker'));
    t.equal(stacks.filter(({ stack }) => /at blockForEver \(file:.*lab\.ts:\d+:\d+\)/.test(stack ?? '')).length, 1);
    // All that the others may have done just then is to beat.
    t.equal(stacks.filter(({ stack }) => stack?.startsWith('idle')).length, loops[mode] - 1);
  });
}

function burst(mode: Mode): void {
  t.test('a burst of signals loses nothing that matters', async (t) => {
    const server = await startLab(t, mode);
    for (const signal of ['SIGUSR1', 'SIGTTIN', 'SIGQUIT', 'SIGTTOU', 'SIGUSR1', 'SIGTERM'] as const)
      server.kill(signal);
    t.strictSame(await server.ended, [0, null]);
    const said = server.lines.map(({ msg }) => msg);
    for (const expected of [/^Statistics of the supervisor/, /^Stack of the supervisor/, /^SIGTERM: stopping/]) {
      t.ok(
        said.some((msg) => expected.test(msg)),
        `${expected}`,
      );
    }
  });
}
