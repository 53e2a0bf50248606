/** Sockets as systemd would open and pass them. */
import { BoundSocket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { shortFolder } from './ini.ts';

/** A TCP and a unix socket that somebody else, as systemd would, has opened and listens on. */
export function openSockets(t: Test): { fds: number[]; url: string; socketPath: string } {
  const socketPath = join(shortFolder(t), 'passed.sock');
  const tcp = new BoundSocket({ host: '127.0.0.1', port: 0 });
  const options = { path: socketPath };
  const unix = new BoundSocket(options as object);
  t.teardown(() => [tcp, unix].forEach((bound) => bound.close()));
  return { fds: [tcp.fd(), unix.fd()], url: `http://127.0.0.1:${tcp.address().port}`, socketPath };
}
