/**
 * Accepts connections on the sockets inherited from the supervisor. Lives in a worker process's main thread.
 *
 * It is a net.Server of its own, apart from the app's http.Server, so that closing it ends nothing but accepting:
 * http.Server.close() would cut idle keep-alive connections, on which a request may be on its way.
 */
import { createServer, Socket, type Server } from 'node:net';
import type { InheritedListener } from '../protocol.ts';

/**
 * Makes the kernel queue connections from now on, and notices a rival that bound the same port at the same moment:
 * bind(2) does not, listen(2) does. Nothing is accepted: the handle is closed before the event loop turns, and the
 * queue lives on in the supervisor's descriptor.
 */
export async function claimPort({ claimFd }: InheritedListener, backlog: number): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.on('error', reject);
  server.listen(descriptor(claimFd), backlog);
  server.close();
  server.on('close', resolve);
  return promise;
}

/**
 * @param pauseOnConnect for sockets that are handed to a thread: nothing may be read here
 */
export async function accept(
  { acceptFd }: InheritedListener,
  backlog: number,
  onConnection: (socket: Socket) => void,
  pauseOnConnect: boolean,
): Promise<Server> {
  // noDelay and allowHalfOpen are what http.Server sets on the connections that it accepts itself.
  const server = createServer({ pauseOnConnect, noDelay: true, allowHalfOpen: true }, onConnection);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).once('listening', resolve);
  server.listen(descriptor(acceptFd), backlog);
  await promise;
  server.off('error', reject).on('error', () => {
    // EMFILE and the like: the connection stays in the queue, another worker or a later moment takes it.
  });
  return server;
}

/** Listens on the descriptor itself; `{ fd }` would ask the primary of node:cluster for it (DESIGN, fact 1). */
function descriptor(fd: number): Socket {
  return new Socket({ fd, readable: false, writable: false });
}
