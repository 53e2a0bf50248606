/** A child that inherits a listener twice, as a worker does, and claims, accepts and looks when it is told to. */
import type { Server, Socket } from 'node:net';
import { FIRST_LISTENER_FD } from '../../../src/protocol.ts';
import { accept, claimPort } from '../../../src/worker/acceptor.ts';

export type Step = 'claim' | 'accept' | 'accept paused' | 'look' | 'resume' | 'close';

const BACKLOG = 16;
const inherited = { claimFd: FIRST_LISTENER_FD, acceptFd: FIRST_LISTENER_FD + 1 };
const sockets: Socket[] = [];
let server: Server | undefined;

const steps: Record<Step, () => unknown> = {
  claim: () => claimPort(inherited, BACKLOG),
  accept: () => serve(false),
  'accept paused': () => serve(true),
  look: () => sockets.map(({ bytesRead, allowHalfOpen }) => ({ bytesRead, allowHalfOpen })),
  resume: () => sockets.forEach((socket) => socket.resume()),
  close: () => server?.close(),
};

async function serve(pauseOnConnect: boolean): Promise<void> {
  server = await accept(inherited, BACKLOG, (socket) => greet(socket, pauseOnConnect), pauseOnConnect);
}

function greet(socket: Socket, paused: boolean): void {
  sockets.push(socket);
  socket.on('error', () => {});
  socket.write('hello ');
  // A listener for data lets it flow, unless it was paused by hand.
  if (paused) socket.once('data', (chunk) => socket.end(`later ${String(chunk)}`));
  else socket.on('data', (chunk) => socket.write(String(chunk)));
}

process.on('message', (step: Step) => {
  new Promise((resolve) => resolve(steps[step]())).then(
    (answer) => process.send?.({ answer: answer ?? null }),
    (error: NodeJS.ErrnoException) => process.send?.({ error: error.code ?? error.message }),
  );
});
