/**
 * What a thread does with a net.Socket that another thread has transferred to it. Lives in the threads of a threaded worker.
 *
 * Node 26.10 gives the arrived object one property more than V8 keeps in fast form: it becomes a hash table, and each of
 * the hundred accesses that node:http makes to it per request is a lookup. That cost a thread an eighth of its CPU per
 * request with keep-alive. A new Socket around the same handle has the fast form. Public API has no way to make one, so
 * this file takes the handle by Node's own name; arrived-socket.test.ts notices when Node makes it needless or impossible.
 */
import { type BoundSocket, Socket } from 'node:net';

/** The handle is none, but is taken where one may be given. */
type WithHandle = Socket & { _handle?: BoundSocket | null };

/** The same connection in a socket of the usual form; the one that arrived is of no more use. */
export function refresh(arrived: Socket): Socket {
  const handle = (arrived as WithHandle)._handle;
  if (!handle) return arrived;
  (arrived as WithHandle)._handle = null;
  arrived.destroy();
  // allowHalfOpen is what http.Server sets on the connections that it accepts itself.
  const options = { handle, allowHalfOpen: true, readable: true, writable: true };
  return new Socket(options);
}
