/** Who is at the other end of a connection. A module of its own: acceptors need it, and not what proxies say. */
import type { Socket } from 'node:net';

/** What stands for the address of a client on a unix socket, which has none; nginx logs the same. */
export const UNIX_PEER = 'unix:';

const unixPeers = new WeakSet<Socket>();

/** Remembers that the connection came over a unix socket: Node cannot tell it from a peer that is gone. */
export function markUnixPeer(socket: Socket): void {
  unixPeers.add(socket);
}

/** The address of the peer, UNIX_PEER, or undefined once the peer is gone. */
export function peerAddress(socket: Socket): string | undefined {
  return socket.remoteAddress ?? (unixPeers.has(socket) ? UNIX_PEER : undefined);
}
