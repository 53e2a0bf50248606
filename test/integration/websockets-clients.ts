/** Websockets whose client is unusual, in how it answers or when it comes, and those that cannot be closed. */
import t from 'tap';
import { isCut, patient, type Start } from '../support/draining.ts';
import { get, RawConnection } from '../support/http.ts';
import { DeafWebsocket, WebsocketUser } from '../support/websocket.ts';

export function clients(start: Start): void {
  leftovers(start);
  const app = 'websocket-fastify.ts';

  t.test('a client that ignores its close frame does not hold the worker', async (t) => {
    const server = await start(t, app, ...patient);
    const deaf = await DeafWebsocket.open(server.port, '/socket');
    server.kill('SIGTERM');
    t.equal(await deaf.closeCode(), 1001);
    await deaf.closed;
    t.strictSame(await server.ended, [0, null]);
    t.notOk(server.lines.some(isCut));
  });

  t.test('the closes are spread: some are still served while others are gone', async (t) => {
    const server = await start(t, app, ...patient, '--ws-drain-spread=1h');
    // More than there are loops: of one loop the first is closed at once, the next much later.
    const users = await Promise.all(Array.from({ length: 6 }, () => WebsocketUser.open(server.url)));
    const loops = new Set(users.map(({ who }) => who));
    server.kill('SIGTERM');
    const gone = new Set<WebsocketUser>();
    await new Promise<void>((resolve) => {
      for (const user of users)
        void user.closed.then(() => {
          if (gone.add(user).size === loops.size) resolve();
        });
    });
    t.equal(new Set([...gone].map(({ who }) => who)).size, loops.size, 'one of each loop');
    for (const user of users) if (!gone.has(user)) t.equal(await user.echo('still here'), 'still here');
    t.equal(gone.size, loops.size);
  });

  t.test('a websocket that is asked for during the drain is closed as soon as it is there', async (t) => {
    const server = await start(t, app, '--graceful-timeout=1h');
    const idle = await RawConnection.open(server.port);
    await idle.get('/');
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    const late = new DeafWebsocket(idle.socket);
    t.match(await late.ask('/socket'), /^HTTP\/1\.1 101 /);
    t.equal(await late.closeCode(), 1001);
    late.answerClose(1001);
    await late.closed;
    t.strictSame(await server.ended, [0, null]);
    t.strictSame(late.seen, { frames: [{ fin: true, opcode: 8, payload: Buffer.from([0x03, 0xe9]) }], rest: 0 });
  });
}

function leftovers(start: Start): void {
  t.test('upgrades that cannot be closed stay until graceful_timeout, and the log names them', async (t) => {
    const server = await start(t, 'websocket-byhand.ts', '--graceful-timeout=1', '--ws-drain-spread=0');
    const half = await DeafWebsocket.open(server.port, '/half');
    const unanswered = await RawConnection.open(server.port);
    unanswered.send('GET /unanswered HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const other = await RawConnection.open(server.port);
    other.send('GET /other?a=1 HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    await other.until(/ 101 /);
    await half.receives(5);
    server.kill('SIGTERM');
    await Promise.all([half, unanswered, other].map(({ closed }) => closed));
    t.strictSame(await server.ended, [0, null]);
    t.equal(unanswered.text, '', 'nothing that is no answer');
    t.same(half.seen, { frames: [], rest: 5 }, 'nothing within a frame');
    const cuts = server.lines.filter(isCut);
    const named = cuts.flatMap(({ cut }) => cut as string[]).toSorted();
    t.match(named, [
      /^GET \/half \(websocket, [\d.]+ s\)$/,
      /^GET \/other\?a=1 \(h2c, [\d.]+ s\)$/,
      /^GET \/unanswered \(websocket, [\d.]+ s\)$/,
    ]);
    t.ok(
      cuts.every(({ idle }) => idle === 0),
      'none of them counts as idle',
    );
  });

  t.test('a server without websockets answers who asks for one as anybody else', async (t) => {
    const server = await start(t, 'lab.ts');
    const headers = { connection: 'Upgrade', upgrade: 'websocket' };
    t.equal((await get(`${server.url}/who`, { headers })).status, 200);
  });
}
