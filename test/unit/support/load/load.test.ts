// A load that cannot fail would prove nothing: here it fails in every way that it can, and only then.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { WebSocketServer, type WebSocket } from 'ws';
import { plugin } from '../../../fixtures/apps/load-app.ts';
import { freePort } from '../../../support/free-port.ts';
import { eventText } from '../../../support/load/content.ts';
import { startLoad, type Load } from '../../../support/load/load.ts';
import { formatReport, type ClientKind } from '../../../support/load/tally.ts';
import { answerTo, rightBody, startRogue, type Answer } from './rogue.ts';

function load(t: Test, url: string, kind: ClientKind, more: object = {}): Load {
  const load = startLoad(url, { clients: { [kind]: 1 }, requestsPerConnection: 1000, ...more });
  t.teardown(() => load.stop());
  return load;
}

const everyKind = { keepAlive: 2, fresh: 2, pipelined: 2, upload: 2, download: 2, sse: 2, websocket: 2 };

async function startHonest(t: Test): Promise<string> {
  const fastify = Fastify();
  await fastify.register(plugin);
  t.teardown(() => fastify.close());
  return fastify.listen({ host: '127.0.0.1', port: 0 });
}

t.test('an honest server: everybody is answered, nothing fails, and it is known who answered', async (t) => {
  const load = startLoad(await startHonest(t), { clients: everyKind });
  t.teardown(() => load.stop());
  await load.until(200);
  const report = await load.stop();
  t.strictSame(report.failures, [], formatReport(report));
  t.equal(report.failed, 0);
  for (const [kind, count] of Object.entries(report.answered)) t.ok(count > 0, kind);
  t.strictSame([...report.servedBy], [`${process.pid}.0.0`]);
  t.strictSame(report.notes, { closedIdle: 0, sentAgain: 0, ended: 0, refusedAtStop: 0, resetAtStop: 0 });
});

t.test('endless streams and websockets are ended by the client, and that is no failure', async (t) => {
  const endless = { eventsPerStream: Infinity, messagesPerSocket: Infinity };
  const load = startLoad(await startHonest(t), { clients: { sse: 2, websocket: 2 }, ...endless });
  t.teardown(() => load.stop());
  await load.until(200);
  const report = await load.stop();
  t.equal(report.failed, 0, formatReport(report));
  t.equal(report.notes.ended, 0);
});

const wrongs: Record<string, { kind: string; detail: RegExp; by?: ClientKind; answer: Answer }> = {
  'a wrong byte': {
    kind: 'wrong bytes',
    detail: /^byte \d+: /,
    answer: (socket, count, path) => {
      const body = rightBody(path);
      if (count === 3 && body.length > 0) body[body.length - 1]! ^= 1;
      socket.write(answerTo(path, { body }));
    },
  },
  'a byte too many': {
    kind: 'wrong bytes',
    detail: /^byte \d+: "x"/,
    answer: (socket, _count, path) =>
      socket.write(answerTo(path, { body: Buffer.concat([rightBody(path), Buffer.from('x')]) })),
  },
  'an answer to another request': {
    kind: 'wrong bytes',
    detail: /^byte 0: /,
    answer: (socket, _count, path) => socket.write(answerTo(path.replace('seed=', 'seed=1'))),
  },
  'bytes that nobody asked for': {
    kind: 'wrong bytes',
    detail: /nobody asked for/,
    answer: (socket, _count, path) => socket.write(Buffer.concat([answerTo(path), Buffer.from('x')])),
  },
  'an answer that is not HTTP': {
    kind: 'wrong bytes',
    detail: /not HTTP: "SSH-2.0"/,
    answer: (socket) => socket.write('SSH-2.0\r\n\r\n'),
  },
  'a body cut short by a close': {
    kind: 'truncated body',
    detail: /closed after \d+ answers/,
    answer: (socket, _count, path) => socket.end(answerTo(path).subarray(0, -1)),
  },
  'a head cut short': {
    kind: 'truncated body',
    detail: /closed after 2 answers/,
    answer: (socket, count, path) => (count < 3 ? socket.write(answerTo(path)) : socket.end('HTTP/1.1 200 O')),
  },
  'a body cut short by a reset': {
    kind: 'truncated body',
    detail: /closed|ECONNRESET/,
    answer: (socket, _count, path) => socket.write(answerTo(path).subarray(0, -1), () => socket.resetAndDestroy()),
  },
  'chunks that end too soon': {
    kind: 'truncated body',
    detail: /0 of \d+ bytes/,
    answer: (socket, _count, path) =>
      socket.write(answerTo(path, { headers: 'Transfer-Encoding: chunked\r\n', body: Buffer.from('0\r\n\r\n') })),
  },
  'a 503': {
    kind: 'wrong status',
    detail: /^503$/,
    answer: (socket, _count, path) => socket.write(answerTo(path, { status: '503 Service Unavailable' })),
  },
  'a reset instead of the first answer': {
    kind: 'reset on fresh',
    detail: /ECONNRESET after 0 answers/,
    answer: (socket) => socket.resetAndDestroy(),
  },
  'a close instead of the first answer': {
    kind: 'unexpected close',
    detail: /closed after 0 answers/,
    answer: (socket) => socket.end(),
  },
  'a reset of a reused connection': {
    kind: 'reset on reuse',
    detail: /ECONNRESET after 2 answers/,
    answer: (socket, count, path) => (count < 3 ? socket.write(answerTo(path)) : socket.resetAndDestroy()),
  },
  'a close of a reused connection': {
    kind: 'reset on reuse',
    detail: /closed after 2 answers/,
    answer: (socket, count, path) => (count < 3 ? socket.write(answerTo(path)) : socket.end()),
  },
  silence: { kind: 'timeout', detail: /^silent for 200 ms$/, answer: () => {} },
  'an event left out': {
    kind: 'wrong bytes',
    by: 'sse',
    detail: /^event 2: "id: 3/,
    answer: (socket, _count, path) => {
      const seed = Number(/seed=(\d+)/.exec(path)?.[1]);
      const text = eventText(seed, 1) + eventText(seed, 3);
      socket.write(answerTo(path, { headers: 'Connection: close\r\n', body: Buffer.from(text) }));
    },
  },
  'an event cut short by the end of its stream': {
    kind: 'truncated body',
    by: 'sse',
    detail: /^event 1: "id: 1/,
    answer: (socket, _count, path) => {
      const text = eventText(Number(/seed=(\d+)/.exec(path)?.[1]), 1).slice(0, -1);
      socket.end(answerTo(path, { headers: 'Connection: close\r\n', body: Buffer.from(text) }));
    },
  },
  'a pipelined answer that never comes': {
    kind: 'unexpected close',
    by: 'pipelined',
    detail: /closed after 1 answers/,
    answer: (socket, count, path) => {
      if (count === 1) socket.end(answerTo(path));
    },
  },
};

for (const [what, { kind, detail, by = 'keepAlive', answer }] of Object.entries(wrongs)) {
  t.test(`${what}: ${kind}`, async (t) => {
    const url = await startRogue(t, answer);
    const running = load(t, url, by, what === 'silence' ? { timeoutMs: 200 } : {});
    const failure = await running.failure;
    t.match(failure, { kind, client: `${by} 1`, detail });
    await t.rejects(running.until(1), new RegExp(`failed.*${kind}`), 'whoever waits hears of it');
    const report = await running.stop();
    t.ok(report.failed > 0);
    t.match(formatReport(report), `${by} 1: ${kind}: ${failure.detail}`);
  });
}

t.test('nobody listens: refused, and after expectStop() no failure', async (t) => {
  const url = `http://127.0.0.1:${freePort()}`;
  for (const kind of ['fresh', 'websocket'] as const) {
    t.match(await load(t, url, kind).failure, { kind: 'refused' });
    const expecting = load(t, url, kind);
    expecting.expectStop();
    const waiting = expecting.until(1);
    const report = await expecting.refused();
    t.match(report, { failed: 0, notes: { refusedAtStop: 1 } });
    await t.rejects(waiting, /answered/, 'nobody waits for what cannot come');
  }
});

t.test('an idle connection that is closed before it is used again is noted, not failed', async (t) => {
  const left = Promise.withResolvers<unknown>();
  const url = await startRogue(t, (socket, _count, path) => {
    socket.once('close', left.resolve);
    socket.end(answerTo(path));
  });
  const running = load(t, url, 'keepAlive');
  // The client asks nothing more until it has seen the close of its first connection, and closed it itself.
  await running.pause();
  await left.promise;
  running.resume();
  // Whichever comes first: the close may also meet a request that is on its way.
  await Promise.race([running.until(30), running.failure]);
  const { notes, failures } = await running.stop();
  t.ok(notes.closedIdle > 0);
  for (const { kind } of failures) t.equal(kind, 'reset on reuse');
});

t.test('Connection: close is honoured: no request follows it on the connection', async (t) => {
  const counts: number[] = [];
  const url = await startRogue(t, (socket, count, path) => {
    counts.push(count);
    const headers = `Content-Length: ${rightBody(path).length}\r\nConnection: close\r\n`;
    socket.write(answerTo(path, { headers }));
  });
  for (const kind of ['keepAlive', 'fresh'] as const) {
    const running = load(t, url, kind);
    await running.until(10);
    t.equal((await running.stop()).failed, 0);
  }
  t.strictSame(new Set(counts), new Set([1]));
});

t.test('a pipelined request behind Connection: close is sent again, and that is noted', async (t) => {
  const url = await startRogue(t, (socket, count, path) => {
    if (count > 2) return;
    const headers = `Content-Length: ${rightBody(path).length}\r\n${count === 2 ? 'Connection: close\r\n' : ''}`;
    socket.write(answerTo(path, { headers }));
  });
  const running = load(t, url, 'pipelined');
  await running.until(20);
  const report = await running.stop();
  t.equal(report.failed, 0, formatReport(report));
  t.ok(report.notes.sentAgain > 0);
});

t.test('a stream that the server ends before its last event is taken up again after the last one', async (t) => {
  const url = await startRogue(t, (socket, _count, path) => {
    const seed = Number(/seed=(\d+)/.exec(path)?.[1]);
    socket.end(answerTo(path, { headers: 'Connection: close\r\n', body: Buffer.from(eventText(seed, 1)) }));
  });
  const running = load(t, url, 'sse');
  // The second answer begins with event 1 again, though it was asked to go on after it: a repetition is a failure.
  t.match(await running.failure, { kind: 'wrong bytes', detail: /^event 2: "id: 1/ });
  t.equal((await running.stop()).notes.ended > 0, true);
});

async function startSockets(t: Test, onSocket: (socket: WebSocket) => void, status = 101): Promise<string> {
  const server = http.createServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, stream: Duplex, head: Buffer) => {
    if (status !== 101) stream.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    else sockets.handleUpgrade(request, stream, head, onSocket);
  });
  server.listen(0, '127.0.0.1');
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Greets, and echoes so many messages before it does something else. */
function echoing(count: number, then: (socket: WebSocket) => void): (socket: WebSocket) => void {
  return (socket) => {
    let left = count;
    socket.on('message', (message: Buffer) => ((left -= 1) < 0 ? then(socket) : socket.send(message)));
    socket.send('1.0.1');
  };
}

const wrongSockets = {
  'a wrong echo': ['wrong bytes', echoing(2, (socket) => socket.send('something else'))],
  'a close without a reason': ['unexpected close', echoing(2, (socket) => socket.terminate())],
  'a close with another code': ['unexpected close', echoing(2, (socket) => socket.close(1011))],
  'an end of its own': ['unexpected close', echoing(2, (socket) => socket.close(1000))],
  silence: ['timeout', echoing(2, () => {})],
  'a message twice': [
    'wrong bytes',
    (socket: WebSocket) => {
      socket.on('message', (message: Buffer) => {
        socket.send(message);
        socket.send(message);
      });
      socket.send('1.0.1');
    },
  ],
} as const;

for (const [what, [kind, onSocket]] of Object.entries(wrongSockets)) {
  t.test(`websocket: ${what}: ${kind}`, async (t) => {
    const options = { messagesPerSocket: Infinity, ...(kind === 'timeout' ? { timeoutMs: 200 } : {}) };
    const running = load(t, await startSockets(t, onSocket), 'websocket', options);
    t.match(await running.failure, { kind, client: 'websocket 1' });
  });
}

t.test('websocket: refused with a status: wrong status', async (t) => {
  const running = load(t, await startSockets(t, () => {}, 503), 'websocket');
  t.match(await running.failure, { kind: 'wrong status', detail: /503/ });
});

for (const code of [1001, 1012]) {
  t.test(`websocket: close code ${code} makes the client come back, and is no failure`, async (t) => {
    const url = await startSockets(
      t,
      echoing(2, (socket) => socket.close(code)),
    );
    const running = load(t, url, 'websocket', { messagesPerSocket: Infinity });
    await running.until(10);
    const report = await running.stop();
    t.equal(report.failed, 0, formatReport(report));
    t.ok(report.notes.ended > 0);
  });
}
