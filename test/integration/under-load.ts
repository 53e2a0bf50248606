/**
 * What no change of workers may cost: a request. On the real command, in every mode, under a load that verifies every
 * byte; under-load.*.test.ts run it, one file a mode.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { stop, stopIfIdle } from '../support/idle.ts';
import { type Load, startLoad } from '../support/load/load.ts';
import { formatReport, type LoadReport } from '../support/load/tally.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

/**
 * Streams and websockets end after some events and messages: a drain waits for that. What its clients never end, a drain
 * cuts at graceful_timeout today; such clients are not in this load.
 */
const everybody = { keepAlive: 4, fresh: 2, pipelined: 1, upload: 1, download: 1, sse: 1, websocket: 1 };

type Start = (t: Test, ...flags: string[]) => Promise<Tricorn>;

export function underLoad(mode: Mode): void {
  const start: Start = (t, ...more) =>
    startTricorn(t, fixture('load-app.ts'), [...modes[mode], '--no-access-log', ...more]);
  recycles(start);
  if (mode !== 'evented') scales(start);
  killed(start);
  stops(start);
}

function begin(t: Test, server: Tricorn, clients: Readonly<Record<string, number>> = everybody): Load {
  const load = startLoad(server.url, { clients });
  t.teardown(() => load.stop());
  return load;
}

/** Waits for what is to happen meanwhile; rejects at the load's first failure. */
async function during(load: Load, event: Promise<unknown>): Promise<void> {
  await Promise.race([event, load.until(Infinity)]);
}

function passes(t: Test, report: LoadReport): void {
  t.strictSame(report.failures, [], formatReport(report));
  t.comment(formatReport(report));
}

const ENDED = /^(worker|thread) \d.* has ended$/;
const READY = /^(worker|thread) \d.* is ready$/;

function recycles(start: Start): void {
  t.test('workers that are recycled again and again lose no request', async (t) => {
    const server = await start(t, '--limit-request=200');
    const load = begin(t, server);
    await during(load, server.count(ENDED, 4));
    await load.untilOther(load.servedBy);
    const report = await load.stop();
    passes(t, report);
    t.ok(report.servedBy.size > 4, 'new ones have answered');
    for (const [kind, count] of Object.entries(report.answered)) t.ok(count > 0, kind);
  });
}

function scales(start: Start): void {
  t.test('TTIN and TTOU lose no request', async (t) => {
    const server = await start(t);
    const load = begin(t, server);
    for (let round = 1; round <= 3; round += 1) {
      await load.until(100);
      const known = new Set(load.servedBy);
      server.kill('SIGTTIN');
      await during(load, server.count(READY, round));
      await load.untilOther(known);
      server.kill('SIGTTOU');
      await during(load, server.count(ENDED, round));
    }
    await load.until(100);
    passes(t, await load.stop());
  });
}

function killed(start: Start): void {
  t.test('a worker that is killed while it serves nobody takes no request with it', async (t) => {
    const server = await start(t);
    // Connections that are never idle: a worker has one only while it answers.
    const load = begin(t, server, { fresh: 3 });
    await load.until(50);
    for (const [index, pid] of server.workers().entries()) {
      const known = new Set(load.servedBy);
      await during(load, load.pause());
      // It has answered all, and may not have closed all yet.
      while (!(await stopIfIdle(pid, server.port))) await turn();
      load.resume();
      process.kill(pid, 'SIGKILL');
      await during(load, server.count(/died: signal SIGKILL; it is replaced/, index + 1));
      await during(load, server.count(READY, index + 1));
      await load.untilOther(known);
    }
    passes(t, await load.stop());
  });
}

function stops(start: Start): void {
  t.test('TERM: who stands in the accept queue is answered', async (t) => {
    const server = await start(t);
    await Promise.all(server.workers().map(stop));
    const waiting = Array.from({ length: 50 }, () => connect(server.port, '127.0.0.1'));
    for (const socket of waiting)
      socket.end('GET /content?seed=1&size=9 HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n');
    await Promise.all(waiting.map((socket) => once(socket, 'connect')));
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    const answers = Promise.all(waiting.map(text));
    for (const pid of server.workers()) process.kill(pid, 'SIGCONT');
    for (const answer of await answers) t.match(answer, /^HTTP\/1\.1 200 /);
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('TERM: all that was begun is answered, then connections are refused', async (t) => {
    const server = await start(t);
    const load = begin(t, server);
    await load.until(300);
    load.expectStop();
    server.kill('SIGTERM');
    const report = await load.refused();
    passes(t, report);
    t.strictSame(await server.ended, [0, null]);
    t.notOk(
      server.lines.some(({ msg }) => /connections are cut|did not end in time/.test(msg)),
      'nothing was cut',
    );
    await t.rejects(get(server.url), { code: 'ECONNREFUSED' });
  });
}
