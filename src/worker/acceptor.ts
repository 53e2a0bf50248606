/**
 * Accepts connections on the sockets inherited from the supervisor. Lives in a worker process's main thread, and for
 * unix sockets in its threads.
 *
 * It is a net.Server of its own, apart from the app's http.Server, so that closing it ends nothing but accepting:
 * http.Server.close() would cut idle keep-alive connections, on which a request may be on its way.
 */
import cluster from 'node:cluster';
import { createServer, Socket, type Server } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { markUnixPeer } from '../http/peer.ts';
import type { AcceptFrom, InheritedListener } from '../protocol.ts';

/**
 * Makes the kernel queue connections from now on, and notices a rival that bound the same port at the same moment:
 * bind(2) does not, listen(2) does. Nothing is accepted: the handle is closed before the event loop turns, and the
 * queue lives on in the supervisor's descriptor.
 */
export async function claim({ kind, claimFd }: InheritedListener, backlog: number): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.on('error', reject);
  listen(server, { kind, fd: claimFd }, backlog);
  server.close();
  server.on('close', resolve);
  return promise;
}

/**
 * @param pauseOnConnect for sockets that are handed to a thread: nothing may be read here
 */
export async function accept(
  from: AcceptFrom,
  backlog: number,
  onConnection: (socket: Socket) => void,
  pauseOnConnect: boolean,
): Promise<Server> {
  // noDelay and allowHalfOpen are what http.Server sets on the connections that it accepts itself.
  const server = createServer({ pauseOnConnect, noDelay: true, allowHalfOpen: true }, onConnection);
  if (from.kind === 'unix') server.prependListener('connection', markUnixPeer);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).once('listening', resolve);
  listen(server, from, backlog);
  await promise;
  server.off('error', reject).on('error', () => {
    // EMFILE and the like: the connection stays in the queue, another worker or a later moment takes it.
  });
  return server;
}

/**
 * Takes what waits in the accept queues, then closes. Whoever closes a listening socket last resets all that is in its
 * queue, and the order to drain may be read before a connection that came earlier: so it closes after the first turn of
 * the event loop in which nobody came. What connects within that very turn is reset where it would have been refused.
 *
 * @param backlog no queue is longer, and so many turns are enough
 */
export async function finishAccepting(servers: readonly Server[], backlog: number): Promise<void> {
  let someoneCame = true;
  const onConnection = (): void => {
    someoneCame = true;
  };
  for (const server of servers) server.on('connection', onConnection);
  // The first brings it behind the poll phase that it may be in.
  await turn();
  for (let left = backlog; someoneCame && left > 0; left -= 1) {
    someoneCame = false;
    await turn();
  }
  for (const server of servers) server.close();
}

/**
 * Listens on the descriptor itself; a worker of node:cluster would ask its primary for it. As its reference says, Node
 * spares a handle that a worker has already (DESIGN, fact 1), but only one of TCP: that of a unix socket it still sends
 * to the primary. So for the length of this one call, which is synchronous, the process says that it is no worker.
 */
function listen(server: Server, { kind, fd }: AcceptFrom, backlog: number): void {
  if (kind === 'tcp') {
    server.listen(new Socket({ fd, readable: false, writable: false }), backlog);
    return;
  }
  const says = cluster as { isPrimary: boolean };
  const { isPrimary } = says;
  says.isPrimary = true;
  try {
    server.listen({ fd }, backlog);
  } finally {
    says.isPrimary = isPrimary;
  }
}
