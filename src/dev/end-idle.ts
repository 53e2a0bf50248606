/** What a drain does besides with dev = reload. Lives in the event loop that drains. */
import type { Socket } from 'node:net';

/** So long the first request of a connection may take to come, milliseconds. */
const FIRST_REQUEST_MS = 250;

/**
 * Ends the connections that wait for a further request, or stream without an end, so that whoever has them is served by new
 * code at once: browsers, curl and undici connect anew. A further request that is just on its way is lost.
 */
export function endIdle(connections: Iterable<Socket>, isIdle: (socket: Socket) => boolean): void {
  const end = (those: (socket: Socket) => boolean): void => {
    for (const socket of connections) if (isIdle(socket) && those(socket)) socket.destroySoon();
  };
  // The first request of a new connection is likely to be on its way; but a browser also opens some that it may never use.
  end(({ bytesRead }) => bytesRead > 0);
  setTimeout(() => end(() => true), FIRST_REQUEST_MS).unref();
}
