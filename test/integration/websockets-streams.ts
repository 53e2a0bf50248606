/** Requests that last, in a drain: what may finish does, the rest is named. */
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { isCut, patient, type Start } from '../support/draining.ts';
import { get, HeldRequest, post } from '../support/http.ts';
import type { LogLine, Tricorn } from '../support/tricorn.ts';

export function streams(start: Start): void {
  t.test('an event stream in progress finishes', async (t) => {
    const server = await start(t, 'lab.ts', ...patient);
    const held = await HeldRequest.begin(`${server.url}/events`);
    t.match(await held.headers(), { 'content-type': 'text/event-stream' });
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    t.match(await held.finish(), { status: 200, body: 'data: begun\n\ndata: done\n\n' });
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('an upload in progress finishes', async (t) => {
    const server = await start(t, 'load-app.ts', ...patient, '--body-limit=0');
    const body = new PassThrough();
    const answer = post(`${server.url}/hash`, body, { 'content-type': 'application/octet-stream' });
    const pieces = [1, 2, 3].map((seed) => Buffer.alloc(200_000, seed));
    body.write(pieces[0]);
    await isInFlight(server);
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    body.write(pieces[1]);
    body.end(pieces[2]);
    t.match(await answer, { status: 200, body: createHash('sha256').update(Buffer.concat(pieces)).digest('hex') });
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('a response that never ends is cut at graceful_timeout, and the log names it', async (t) => {
    const server = await start(t, 'load-app.ts', '--graceful-timeout=0.3');
    const endless = get(`${server.url}/events?seed=1`);
    await isInFlight(server);
    server.kill('SIGTERM');
    await t.rejects(endless);
    t.strictSame(await server.ended, [0, null]);
    const cuts = server.lines.filter(isCut);
    t.match(
      cuts.flatMap(({ cut }) => cut as string[]),
      [/^GET \/events\?seed=1 \([\d.]+ s\)$/],
    );
  });
}

/** Asks for statistics until a request is in flight. */
async function isInFlight(server: Tricorn): Promise<void> {
  for (let asked = 1; !server.lines.some(isBusy); asked += 1) {
    server.kill('SIGUSR1');
    await server.count(/^Statistics of the supervisor/, asked);
  }
}

function isBusy({ msg, inflight }: LogLine): boolean {
  return msg.startsWith('Statistics of worker') && inflight === 1;
}
