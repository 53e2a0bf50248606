import http from 'node:http';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, whyUnreachable } from '../../../src/control/client.ts';
import { shortFolder } from '../../support/ini.ts';
import { serve } from './support.ts';

const GET = { method: 'GET', path: '/status' } as const;

/** Something at a socket that answers as a test likes. */
async function answering(t: Test, listener: http.RequestListener): Promise<string> {
  const path = join(shortFolder(t), 's');
  const server = http.createServer(listener).listen(path);
  t.teardown(() => (server.closeAllConnections(), server.close()));
  await once(server, 'listening');
  return path;
}

t.test('a server that is stuck: an error after the given time', async (t) => {
  const { path, service } = await serve(t);
  service.status = () => new Promise(() => {});
  await t.rejects(ask(path, { ...GET, withinMs: 20 }), {
    code: 'TRC_NO_SERVER',
    exitCode: 5,
    message: `the server at ${path} has not answered within 0.02 s`,
  });
});

t.test('one that begins and does not go on', async (t) => {
  const path = await answering(t, (_, response) => response.write('{'));
  await t.rejects(ask(path, { ...GET, withinMs: 50 }), { message: /has not answered within/ });
});

t.test('an answer that breaks off', async (t) => {
  const path = await answering(t, (_, response) => response.write('{', () => response.destroy()));
  await t.rejects(ask(path, GET), { message: `the server at ${path} broke off; its log may say why` });
});

t.test('somebody else at that path', async (t) => {
  const path = await answering(t, (_, response) => response.end('<html>'));
  await t.rejects(ask(path, GET), { message: `what answers at ${path} is no control socket of Tricorn` });
});

t.test('a line may come in pieces, and the last without its end', async (t) => {
  const path = await answering(t, (_, response) => {
    response.write('{"progress":{"ready":1,"wanted":2,"te');
    setImmediate(() => response.end('xt":"é"}}\n\n{"result":1}'));
  });
  const seen: unknown[] = [];
  t.same(await ask(path, { ...GET, onProgress: (progress) => seen.push(progress) }), {
    status: 200,
    body: { result: 1 },
  });
  t.same(seen, [{ ready: 1, wanted: 2, text: 'é' }]);
});

t.test('a server that has no connection to spare is asked again', async (t) => {
  let times = 0;
  const path = await answering(t, (_, response) => {
    times += 1;
    response.writeHead(times < 3 ? 503 : 200).end('{}');
  });
  t.same(await ask(path, GET), { status: 200, body: {} });
  t.equal(times, 3);
});

t.test('one that turned us away before we had said a word is asked again', async (t) => {
  const path = join(shortFolder(t), 's');
  let times = 0;
  const real = http.createServer((_, response) => response.end('{}'));
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    times += 1;
    if (times === 1) return socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n', () => socket.destroy());
    socket.resume();
    real.emit('connection', socket);
  });
  server.listen(path);
  t.teardown(() => server.close());
  await once(server, 'listening');
  t.same(await ask(path, GET), { status: 200, body: {} });
  t.equal(times, 2);
});

t.test('why there is nobody', async (t) => {
  t.match(whyUnreachable('/s', 'ENOENT'), /there is no control socket \/s/);
  t.match(whyUnreachable('/s', 'ECONNREFUSED'), /the server has ended/);
  t.match(whyUnreachable('/s', 'EACCES'), /no permission .* be the user who runs the server, or root/);
  t.match(whyUnreachable('/s', 'ELOOP'), /cannot be reached: ELOOP/);
});
