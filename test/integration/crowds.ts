/** More clients than it has descriptors for, and clients that go away: nothing dies of it, and nothing is left of it. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { get } from '../support/http.ts';
import { lab } from '../support/lab.ts';
import { statistics } from '../support/statistics.ts';
import { loops, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

export function crowds(mode: Mode): void {
  t.test('200 clients with 64 descriptors: it serves on once they are gone, and nobody died', async (t) => {
    const server = await startTricorn(t, lab, modes[mode], { descriptors: 64 });
    const workers = server.workers();
    const clients = Array.from({ length: 200 }, () => client(server));
    await Promise.all(clients.map((socket) => once(socket, 'settled')));
    await server.line(/no file descriptor is free/);
    await goAway(clients);
    t.equal(await firstAnswer(server), 200);
    t.strictSame(server.workers(), workers);
  });

  t.test('1000 clients go away in the middle of a request: none of them is left', async (t) => {
    const server = await startTricorn(t, lab, modes[mode]);
    const clients = Array.from({ length: 1000 }, () => client(server));
    for (const socket of clients) socket.write('POST /wait HTTP/1.1\r\nHost: lab\r\nContent-Length: 10\r\n\r\nhalf');
    await until(server, mode, ({ inflight }) => inflight === 1000);
    await goAway(clients);
    await until(server, mode, ({ inflight, connections }) => inflight === 0 && connections === 0);
    t.equal((await get(`${server.url}/who`)).status, 200);
    t.notOk(server.lines.some(({ level }) => level >= 50));
  });
}

/** Emits `settled` once it is connected, or has been turned away. */
function client(server: Tricorn): Socket {
  const socket = connect(server.port, '127.0.0.1');
  for (const event of ['connect', 'close'] as const) socket.once(event, () => socket.emit('settled'));
  return socket.on('error', () => {});
}

async function goAway(clients: readonly Socket[]): Promise<void> {
  const open = clients.filter(({ closed }) => !closed);
  const closed = open.map((socket) => once(socket, 'close'));
  for (const socket of open) socket.destroy();
  await Promise.all(closed);
}

/** A server that has no descriptor free yet cuts what it accepts. */
async function firstAnswer(server: Tricorn): Promise<number> {
  for (;;) {
    try {
      return (await get(`${server.url}/who`)).status;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    }
  }
}

interface Figures {
  readonly inflight: number;
  readonly connections: number;
}

/** Asks for statistics until the sum over all event loops is as it should be. */
async function until(server: Tricorn, mode: Mode, enough: (figures: Figures) => boolean): Promise<void> {
  for (;;) {
    const last = await statistics(server, loops[mode]);
    const sum = (key: keyof Figures): number => last.reduce((total, line) => total + Number(line[key]), 0);
    if (enough({ inflight: sum('inflight'), connections: sum('connections') })) return;
  }
}
