import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import t, { type Test } from 'tap';
import { closeFrame } from '../../../src/http/websocket-frames.ts';
import { planClosing, Upgrades } from '../../../src/worker/upgrades.ts';

interface Started {
  readonly server: http.Server;
  readonly upgrades: Upgrades;
  /** Asks for an upgrade; resolves with all that comes until the connection ends. */
  ask(path: string, protocol: string): Promise<string>;
}

async function start(t: Test, options: http.ServerOptions = {}): Promise<Started> {
  const server = http.createServer(options, (_request, response) => response.end('plain')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const upgrades = new Upgrades();
  upgrades.watch(server);
  const ask = async (path: string, protocol: string): Promise<string> => {
    const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  return { server, upgrades, ask };
}

t.test('the closes are spread evenly, and the first is at once', async (t) => {
  t.strictSame(planClosing(0, 5000, 30_000).times, []);
  t.strictSame(planClosing(1, 5000, 30_000).times, [0]);
  t.strictSame(planClosing(4, 5000, 30_000), { answerMs: 3000, times: [0, 1250, 2500, 3750] });
  t.strictSame(planClosing(3, 0, 30_000).times, [0, 0, 0]);
});

t.test('whatever the spread, the last has time for its answer within graceful_timeout', async (t) => {
  t.strictSame(planClosing(4, 60_000, 7000), { answerMs: 3000, times: [0, 1000, 2000, 3000] });
  t.strictSame(planClosing(2, 60_000, 400), { answerMs: 200, times: [0, 100] });
  t.strictSame(planClosing(2, 5000, 0), { answerMs: 0, times: [0, 0] });
});

t.test('without a listener of the app nothing changes', async (t) => {
  const { server, upgrades, ask } = await start(t);
  t.match(await ask('/', 'websocket'), /200 OK[\s\S]*plain/);
  t.strictSame(upgrades.names(), []);
  t.equal(server.listenerCount('upgrade'), 0);
});

t.test('what is upgraded is named by request, protocol and age, until it ends', async (t) => {
  const { server, upgrades, ask } = await start(t);
  const seen: string[][] = [];
  const ends: Promise<unknown>[] = [];
  server.on('upgrade', (request, socket) => {
    ends.push(once(request.socket, 'close'));
    t.ok(upgrades.has(request.socket));
    seen.push(upgrades.names());
    socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  });
  await ask('/chat?room=1', 'WebSocket');
  await ask(`/${'x'.repeat(500)}`, 'h2c');
  t.match(seen, [[/^GET \/chat\?room=1 \(WebSocket, \d+\.\d s\)$/], [/^GET \/x{239} \(h2c, \d+\.\d s\)$/]]);
  await Promise.all(ends);
  t.strictSame(upgrades.names(), []);
});

t.test('an app that decides by itself what it upgrades goes on to do so', async (t) => {
  const asked: unknown[] = [];
  const { server, upgrades, ask } = await start(t, {
    shouldUpgradeCallback: ({ url }) => {
      asked.push(url);
      return url === '/yes';
    },
  });
  server.on('upgrade', (_request, socket) => socket.end(`upgraded ${upgrades.names().length}`));
  t.match(await ask('/no', 'websocket'), /plain/);
  t.equal(await ask('/yes', 'websocket'), 'upgraded 1');
  t.strictSame(asked, ['/no', '/yes']);
});

t.test('while it drains, a websocket is closed as soon as the app has accepted it', async (t) => {
  const { server, upgrades, ask } = await start(t);
  upgrades.close({ code: 1001, spreadMs: 1000, limitMs: 20 });
  server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  const text = await ask('/', 'websocket');
  t.ok(text.endsWith(String(closeFrame(1001))), 'the client said nothing, and was given up');
});
