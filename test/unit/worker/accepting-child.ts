/** A child that inherits a listener twice, as a worker does, and claims, accepts and looks when it is told to. */
import type { Server, Socket } from 'node:net';
import { FIRST_LISTENER_FD } from '../../../src/protocol.ts';
import { accept, claim } from '../../../src/worker/acceptor.ts';

export type Step = 'claim' | 'accept' | 'accept paused' | 'look' | 'resume' | 'close';

const BACKLOG = 16;
const kind = process.argv[2] === 'unix' ? 'unix' : 'tcp';
const acceptFd = FIRST_LISTENER_FD + 1;
const inherited = { kind, shown: 'it', claimFd: FIRST_LISTENER_FD, acceptFds: [acceptFd] } as const;
const sockets: Socket[] = [];
let server: Server | undefined;

const steps: Record<Step, () => unknown> = {
  claim: () => claim(inherited, BACKLOG),
  accept: () => serve(false),
  'accept paused': () => serve(true),
  look: () => sockets.map(({ bytesRead, allowHalfOpen }) => ({ bytesRead, allowHalfOpen })),
  resume: () => sockets.forEach((socket) => socket.resume()),
  close: () => server?.close(),
};

async function serve(pauseOnConnect: boolean): Promise<void> {
  server = await accept({ kind, fd: acceptFd }, BACKLOG, (socket) => greet(socket, pauseOnConnect), pauseOnConnect);
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
