/** What a drain does to connections that last, in every mode: websockets are closed, streams and uploads finish. */
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { io, type Socket as IoSocket } from 'socket.io-client';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { get, HeldRequest, post, RawConnection } from '../support/http.ts';
import { fixture, modes, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';
import { DeafWebsocket, floodMessage, WebsocketUser, type Frame } from '../support/websocket.ts';

/** Far longer than any test waits: what ends, was not cut by it. */
const patient = ['--graceful-timeout=1h', '--keep-alive-timeout=1'];

export function websockets(mode: Mode): void {
  const start = (t: Test, app: string, ...more: string[]): Promise<Tricorn> =>
    startTricorn(t, fixture(app), [...modes[mode], ...more]);
  for (const app of ['websocket-fastify.ts', 'websocket-express.ts']) closing(start, app, mode);
  socketio(start, mode);
  floods(start);
  clients(start);
  leftovers(start);
  streams(start);
}

type Start = (t: Test, app: string, ...flags: string[]) => Promise<Tricorn>;

const isCut = ({ msg }: LogLine): boolean => msg.startsWith('graceful_timeout');

function closing(start: Start, app: string, mode: Mode): void {
  t.test(`${app}: at a stop every websocket is closed with 1001, and the app hears of it`, async (t) => {
    const server = await start(t, app, ...patient, '--ws-drain-spread=0.2');
    const users = await Promise.all(Array.from({ length: 5 }, () => WebsocketUser.open(server.url)));
    for (const user of users) t.equal(await user.echo('hello'), 'hello');
    server.kill('SIGTERM');
    t.strictSame(await Promise.all(users.map(({ closed }) => closed)), [1001, 1001, 1001, 1001, 1001]);
    t.strictSame(await server.ended, [0, null]);
    const heard = server.lines.filter(({ msg }) => msg === 'socket closed');
    t.strictSame(
      heard.map(({ code }) => code),
      [1001, 1001, 1001, 1001, 1001],
    );
    t.notOk(server.lines.some(isCut));
    t.notOk(server.lines.some(({ level }) => level >= 40));
  });

  t.test(`${app}: of a loop that is recycled they are closed with 1012, and may come back at once`, async (t) => {
    const flags = ['--limit-request=20', '--limit-request-jitter=0', '--ws-drain-spread=0'];
    const server = await start(t, app, ...patient, ...flags);
    const user = await WebsocketUser.open(server.url);
    t.equal(await served(server, user.closed), 1012);
    const again = await WebsocketUser.open(server.url);
    t.equal(await again.echo('hello'), 'hello');
  });

  if (mode === 'evented') return;
  t.test(`${app}: TTOU closes with 1012 those of the loop that goes, and leaves the others alone`, async (t) => {
    const server = await start(t, app, ...patient, '--ws-drain-spread=0');
    const users = [await WebsocketUser.open(server.url)];
    while (new Set(users.map(({ who }) => who)).size < 2) users.push(await WebsocketUser.open(server.url));
    server.kill('SIGTTOU');
    const gone = await Promise.race(users.map(async (user) => ({ who: user.who, code: await user.closed })));
    t.equal(gone.code, 1012);
    const staying = users.filter(({ who }) => who !== gone.who);
    for (const user of staying) t.equal(await user.echo('still here'), 'still here');
  });
}

/** Sends requests until it is over. */
async function served(server: Tricorn, over: Promise<number>): Promise<number> {
  for (;;) {
    const code = await Promise.race([over, get(server.url).then(() => undefined)]);
    if (code !== undefined) return code;
  }
}

interface Io {
  readonly socket: IoSocket;
  /** The close code that its websocket was told; undefined where it had none. */
  readonly closed: Promise<number | undefined>;
}

async function openIo(t: Test, server: Tricorn, transport: 'websocket' | 'polling'): Promise<Io> {
  const socket = io(server.url, { transports: [transport], reconnection: false });
  t.teardown(() => socket.close());
  const closed = new Promise<number | undefined>((resolve) => {
    socket.on('disconnect', (_reason, details) => {
      const { context } = (details ?? {}) as { readonly context?: { readonly code?: number } };
      resolve(context?.code);
    });
  });
  await new Promise((resolve) => socket.once('who', resolve));
  return { socket, closed };
}

function socketio(start: Start, mode: Mode): void {
  const app = 'websocket-socketio.ts';

  t.test('socket.io: at a stop its websockets are closed with 1001, and the app hears of it', async (t) => {
    const server = await start(t, app, ...patient, '--ws-drain-spread=0.2');
    const users = await Promise.all([1, 2, 3].map(() => openIo(t, server, 'websocket')));
    for (const { socket } of users) t.equal(await socket.emitWithAck('echo', 'hello'), 'hello');
    server.kill('SIGTERM');
    t.strictSame(await Promise.all(users.map(({ closed }) => closed)), [1001, 1001, 1001]);
    t.strictSame(await server.ended, [0, null]);
    const heard = server.lines.filter(({ msg }) => msg === 'socket closed');
    t.strictSame(
      heard.map(({ reason }) => reason),
      ['transport close', 'transport close', 'transport close'],
    );
    t.notOk(server.lines.some(isCut));
  });

  t.test('socket.io: of a loop that is recycled they are closed with 1012', async (t) => {
    const server = await start(t, app, ...patient, '--limit-request=20', '--limit-request-jitter=0');
    const user = await openIo(t, server, 'websocket');
    t.equal(await served(server, user.closed as Promise<number>), 1012);
  });

  // With several loops, its polls would have to reach always the same one.
  if (mode !== 'evented') return;
  t.test('socket.io: polls are requests: the one in flight is answered, and the service ends', async (t) => {
    const server = await start(t, app, ...patient);
    const user = await openIo(t, server, 'polling');
    t.equal(await user.socket.emitWithAck('echo', 'hello'), 'hello');
    server.kill('SIGTERM');
    await user.closed;
    t.strictSame(await server.ended, [0, null]);
    t.notOk(server.lines.some(isCut));
  });
}

function floods(start: Start): void {
  for (const app of ['websocket-fastify.ts', 'websocket-express.ts']) {
    t.test(`${app}: the close comes between two frames of an app that never stops sending`, async (t) => {
      const server = await start(t, app, ...patient, '--ws-drain-spread=0.3');
      const ends = Array.from({ length: 4 }, () => readFlood(server.url.replace('http', 'ws')));
      await Promise.all(ends.map(({ flows }) => flows));
      server.kill('SIGTERM');
      for (const { end } of ends) t.match(await end, { code: 1001, error: undefined });
      t.strictSame(await server.ended, [0, null]);
      t.notOk(server.lines.some(isCut));
    });
  }

  for (const [app, path] of [
    ['websocket-fastify.ts', '/flood'],
    ['websocket-byhand.ts', '/pieces'],
  ] as const) {
    t.test(
      `${app} ${path}: no frame is torn, and nothing follows the close frame, whatever the client does`,
      async (t) => {
        const server = await start(t, app, ...patient, '--ws-drain-spread=0.3');
        const clients = await Promise.all([1, 2, 3, 4].map(() => DeafWebsocket.open(server.port, path)));
        await Promise.all(clients.map((client) => client.receives(1_000_000)));
        server.kill('SIGTERM');
        await Promise.all(clients.map(({ closed }) => closed));
        t.strictSame(await server.ended, [0, null]);
        for (const { seen } of clients) {
          t.equal(seen.rest, 0, 'the last frame is whole');
          t.match(seen.frames.at(-1), { opcode: 8, fin: true, payload: Buffer.from([0x03, 0xe9]) });
          const messages = messagesOf(seen.frames.slice(0, -1));
          t.ok(messages.length > 8);
          t.ok(messages.every((message, number) => message.equals(floodMessage(number))));
        }
      },
    );
  }
}

interface Flood {
  /** Resolves once so many messages have come that every size was among them. */
  readonly flows: Promise<void>;
  readonly end: Promise<{ readonly code: number; readonly error: Error | undefined }>;
}

function readFlood(url: string): Flood {
  const socket = new WebSocket(`${url}/flood`);
  const flows = Promise.withResolvers<void>();
  let number = 0;
  let error: Error | undefined;
  socket.on('message', (message: Buffer) => {
    if (!message.equals(floodMessage(number))) error ??= new Error(`message ${number} is another`);
    number += 1;
    if (number === 20) flows.resolve();
  });
  socket.on('error', (cause) => (error ??= cause));
  const end = new Promise<number>((resolve) => socket.once('close', resolve));
  return { flows: flows.promise, end: end.then((code) => ({ code, error })) };
}

/** Those that are whole: the close may come between two fragments of the last. */
function messagesOf(frames: readonly Frame[]): Buffer[] {
  const messages: Buffer[] = [];
  let parts: Buffer[] = [];
  for (const { fin, payload } of frames) {
    parts.push(payload);
    if (!fin) continue;
    messages.push(Buffer.concat(parts));
    parts = [];
  }
  return messages;
}

function clients(start: Start): void {
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

function streams(start: Start): void {
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
