/** What a drain does to connections that last, in every mode: websockets are closed, streams and uploads finish. */
import { io, type Socket as IoSocket } from 'socket.io-client';
import t, { type Test } from 'tap';
import { isCut, patient, type Start } from '../support/draining.ts';
import { get } from '../support/http.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';
import { WebsocketUser } from '../support/websocket.ts';
import { clients } from './websockets-clients.ts';
import { floods } from './websockets-floods.ts';
import { streams } from './websockets-streams.ts';

export function websockets(mode: Mode): void {
  const start = (t: Test, app: string, ...more: string[]): Promise<Tricorn> =>
    startTricorn(t, fixture(app), [...modes[mode], ...more]);
  for (const app of ['websocket-fastify.ts', 'websocket-express.ts']) closing(start, app, mode);
  socketio(start, mode);
  floods(start);
  clients(start);
  streams(start);
}

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
