import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { mock } from 'node:test';
import t from 'tap';
import { endIdle } from '../../../src/dev/end-idle.ts';
import { RawConnection } from '../../support/http.ts';

t.test('connections that have had a request are ended at once, new ones after a moment, busy ones never', async (t) => {
  const connections = new Map<number, net.Socket>();
  const server = http.createServer((_request, response) => response.end('ok'));
  server.on('connection', (socket) => connections.set(socket.remotePort ?? 0, socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  const open = async (): Promise<RawConnection> => {
    const accepted = once(server, 'connection');
    const connection = await RawConnection.open(port);
    await accepted;
    return connection;
  };
  const [used, fresh, asking, busy] = [await open(), await open(), await open(), await open()];
  await used.get('/');
  await busy.get('/');
  const busySocket = connections.get(busy.socket.localPort ?? 0);
  // The moment passes when the test says so.
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  endIdle(new Set(connections.values()), (socket) => socket !== busySocket);
  await used.closed;
  t.match(await asking.get('/'), /200 OK/, 'the first request of a new one is answered');
  mock.timers.tick(250);
  await fresh.closed;
  t.match(await busy.get('/'), /200 OK/);
});
