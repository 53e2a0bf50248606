/** Apps that never stop sending, when their websockets are closed: no frame is torn. */
import t from 'tap';
import { isCut, patient, type Start } from '../support/draining.ts';
import { WebSocket } from 'ws';
import { DeafWebsocket, floodMessage, type Frame } from '../support/websocket.ts';

export function floods(start: Start): void {
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
