import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { refresh } from '../../../src/worker/arrived-socket.ts';

/** Needed by transferring-thread.ts, which asks V8 about the form of an object. */
setFlagsFromString('--allow-natives-syntax');

t.test('a transferred socket arrives in slow form, and goes on in fast form', async (t) => {
  const thread = new Worker(new URL('./transferring-thread.ts', import.meta.url));
  t.teardown(() => thread.terminate());
  await once(thread, 'message');
  const acceptor = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    thread.postMessage(socket, [socket]);
  });
  t.teardown(() => acceptor.close());
  await once(acceptor.listen(0, '127.0.0.1'), 'listening');
  const client = net.connect((acceptor.address() as net.AddressInfo).port, '127.0.0.1');
  client.write('hello');
  const answer: unknown = JSON.parse(await text(client));
  // `arrived: true` would say that Node has mended it: then arrived-socket.ts is needless.
  t.strictSame(answer, { arrived: false, fresh: true, allowHalfOpen: true, read: 'hello' });
});

t.test('a socket without a handle stays as it is: its connection is gone already', async (t) => {
  const socket = new net.Socket();
  t.equal(refresh(socket), socket);
});
