import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import t from 'tap';
import { nameCurrentRequest } from '../../../src/worker/current-request.ts';
import { get, RawConnection } from '../../support/http.ts';
import { serve, type Arrival } from './served.ts';

t.test('requests pass, are counted while they are in flight, and no longer', async (t) => {
  const { app, url, ledger } = await serve(t);
  const answer = get(`${url}/a`);
  const [request, response] = (await once(app, 'request')) as Arrival;
  t.equal(request.url, '/a');
  t.same(
    ledger.entries().map(({ text }) => text),
    ['GET /a'],
  );
  const closed = once(response, 'close');
  response.end('done');
  t.match(await answer, { status: 200, body: 'done' });
  await closed;
  t.equal(ledger.inflight, 0);
});

t.test('over limit_time_real: 503 where nothing was sent, and the app is told that its client is gone', async (t) => {
  const { app, url, logged, requests } = await serve(t, '--limit-time-real=0.1');
  const answer = get(`${url}/slow?x=1`);
  const [request, response] = (await once(app, 'request')) as Arrival;
  const gone = new Promise((resolve) => request.on('close', resolve));
  t.match(await answer, { status: 503, headers: { connection: 'close' }, body: /TRC_REQUEST_TIME/ });
  await gone;
  t.doesNotThrow(() => response.end('too late'), 'what the app writes afterwards goes nowhere');
  const lines = await logged('limit_time_real');
  t.match(lines, [{ level: 40, limit: 'limit_time_real', request: 'GET /slow?x=1', msg: /answered 503/ }]);
  t.equal(requests.refused, 1);
});

t.test('over limit_time_real with an answer begun: the connection is cut', async (t) => {
  const { app, url, logged } = await serve(t, '--limit-time-real=0.1');
  const answer = get(`${url}/slow`);
  const [, response] = (await once(app, 'request')) as Arrival;
  response.write('begun');
  await t.rejects(answer);
  t.match(await logged('limit_time_real'), [{ msg: /GET \/slow: over limit_time_real, its connection is cut/ }]);
});

t.test('event streams may last, by their header or by the wish of their client', async (t) => {
  const { app, url, requests } = await serve(t, '--limit-time-real=0.1');
  const streams = [get(`${url}/a`), get(`${url}/b`, { headers: { accept: 'text/event-stream' } })];
  const responses: http.ServerResponse[] = [];
  while (responses.length < 2) {
    const [request, response] = (await once(app, 'request')) as Arrival;
    if (request.url === '/a') response.setHeader('content-type', 'text/event-stream');
    response.writeHead(200);
    response.write('data: 1\n\n');
    responses.push(response);
  }
  // One that may not last shows that the others have been looked at.
  const overdue = get(`${url}/c`);
  await once(app, 'request');
  t.equal((await overdue).status, 503);
  for (const response of responses) response.end('data: 2\n\n');
  for (const stream of streams) t.match(await stream, { status: 200, body: 'data: 1\n\ndata: 2\n\n' });
  t.equal(requests.refused, 1);
});

t.test('max_inflight: the others wait; over max_queue they are refused at once', async (t) => {
  const { app, url, requests } = await serve(t, '--max-inflight=1', '--max-queue=1');
  const first = get(`${url}/1`);
  const [, one] = (await once(app, 'request')) as Arrival;
  const second = get(`${url}/2`);
  // Else the third may come before it, and wait in its place.
  while (requests.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  t.match(await get(`${url}/3`), { status: 503, headers: { 'retry-after': '1' }, body: /TRC_OVERLOADED/ });
  const turn = once(app, 'request');
  one.end('one');
  const [request, two] = (await turn) as Arrival;
  t.equal(request.url, '/2');
  two.end('two');
  t.equal((await first).body, 'one');
  t.equal((await second).body, 'two');
});

t.test('max_queue_age: who has waited too long is refused', async (t) => {
  const { app, url } = await serve(t, '--max-inflight=1', '--max-queue-age=0.05');
  const first = get(`${url}/1`);
  const [, one] = (await once(app, 'request')) as Arrival;
  t.match(await get(`${url}/2`), { status: 503, body: /max_queue_age/ });
  one.end('one');
  t.equal((await first).body, 'one');
});

t.test('clients that go while they wait take nobody’s place', async (t) => {
  const { app, url, port, ledger, requests } = await serve(t, '--max-inflight=1');
  const first = get(`${url}/1`);
  const [, one] = (await once(app, 'request')) as Arrival;
  const impatient = await RawConnection.open(port);
  impatient.send('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n');
  while (requests.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  impatient.socket.destroy();
  while (requests.waiting === 1) await new Promise((resolve) => setImmediate(resolve));
  t.equal(ledger.inflight, 1);
  const turn = once(app, 'request');
  const last = get(`${url}/2`);
  one.end('one');
  const [request, two] = (await turn) as Arrival;
  t.equal(request.url, '/2');
  two.end('two');
  await Promise.all([first, last]);
});

t.test('pipelined requests of a client that goes are all counted out', async (t) => {
  const { app, port, ledger } = await serve(t);
  const client = await RawConnection.open(port);
  client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n');
  while (ledger.inflight < 3) await once(app, 'request');
  client.socket.destroy();
  while (ledger.inflight > 0) await new Promise((resolve) => setImmediate(resolve));
  t.same(ledger.entries(), []);
});

t.test('a poisoned route is refused, others are not', async (t) => {
  const { app, url, requests } = await serve(t);
  app.on('request', (_request, response) => response.end('served'));
  requests.refuseRoute({ type: 'poison', route: 'GET /orders/:id', ms: 60_000 });
  t.match(await get(`${url}/orders/17?x`), { status: 503, headers: { 'retry-after': '60' }, body: /TRC_POISON/ });
  t.equal((await get(`${url}/orders`)).body, 'served');
  requests.refuseRoute({ type: 'poison', route: 'GET /orders/:id', ms: 0 });
  t.equal((await get(`${url}/orders/17`)).body, 'served', 'when its time is over');
});

t.test('limits that change while requests wait, run and stay', async (t) => {
  const { app, url, terms, requests, logged } = await serve(t, '--max-inflight=1');
  const first = get(`${url}/first`);
  const [, response] = (await once(app, 'request')) as Arrival;
  const others = [get(`${url}/second`), get(`${url}/third`)];
  while (requests.waiting < 2) await new Promise((resolve) => setImmediate(resolve));
  const responses: http.ServerResponse[] = [];
  app.on('request', (_request, next) => responses.push(next));
  terms.change({ max_inflight: 2 });
  t.equal(responses.length, 1, 'one more may run at once');
  terms.change({ max_inflight: 0 });
  t.equal(responses.length, 2, 'and all, where it is off');
  for (const each of [response, ...responses]) each.end('done');
  for (const answer of await Promise.all([first, ...others])) t.equal(answer.status, 200);
  terms.change({ limit_time_real: 0.1 });
  t.match(await get(`${url}/late`), { status: 503, body: /TRC_REQUEST_TIME/ });
  t.match(await logged('limit_time_real'), [{ limit: 'limit_time_real', request: 'GET /late' }]);
});

t.test('those that run when max_inflight comes have their places', async (t) => {
  const { app, url, terms, requests } = await serve(t);
  const first = get(`${url}/first`);
  const [, response] = (await once(app, 'request')) as Arrival;
  terms.change({ max_inflight: 1, max_queue: 1 });
  const second = get(`${url}/second`);
  while (requests.waiting < 1) await new Promise((resolve) => setImmediate(resolve));
  t.match(await get(`${url}/third`), { status: 503, body: /TRC_OVERLOADED/ });
  const arrived = once(app, 'request') as Promise<Arrival>;
  response.end('done');
  const [, next] = await arrived;
  next.end('done');
  for (const answer of await Promise.all([first, second])) t.equal(answer.status, 200);
  t.equal(requests.waiting, 0);
});

t.test('code belongs to the request for which it runs, and what is nobody’s to none', async (t) => {
  const { app, port, connections } = await serve(t);
  const seen: string[] = [];
  const all = Promise.withResolvers<void>();
  const two = Promise.withResolvers<void>();
  let ended = 0;
  app.on('request', ({ url }, response) => {
    const see = (when: string): unknown => seen.push(`${url} ${when}: ${nameCurrentRequest()}`);
    see('at once');
    setImmediate(() => {
      see('later');
      response.end();
    });
    response.once('close', () => {
      ended += 1;
      if (ended === 2) two.resolve();
      if (ended === 3) all.resolve();
    });
  });
  const client = await RawConnection.open(port);
  client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
  await two.promise;
  const [connection] = [...connections] as [net.Socket];
  connection.prependListener('data', () => seen.push(`what comes next: ${nameCurrentRequest()}`));
  client.send('POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n');
  await all.promise;
  const closed = new Promise((resolve) => {
    connection.once('close', () => resolve(nameCurrentRequest()));
  });
  client.socket.destroy();
  t.equal(await closed, '', 'the end of the connection');
  t.same(seen, [
    '/1 at once: GET /1',
    '/2 at once: GET /2',
    '/1 later: GET /1',
    '/2 later: GET /2',
    'what comes next: ',
    '/3 at once: POST /3',
    '/3 later: POST /3',
  ]);
});

t.test('a request that waited finds no store of the app that another has entered', async (t) => {
  const { app, url, requests } = await serve(t, '--max-inflight=1', '--max-queue=4');
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  app.on('request', (request, response) => {
    seen.push(storage.getStore());
    // As tracers do. What ends the response, ends it in this store.
    storage.enterWith(request.url ?? '');
    const endOnceAllHaveCome = (): unknown =>
      seen.length + requests.waiting === 4 ? response.end() : setImmediate(endOnceAllHaveCome);
    endOnceAllHaveCome();
  });
  await Promise.all([1, 2, 3, 4].map((number) => get(`${url}/${number}`)));
  t.strictSame(seen, [undefined, undefined, undefined, undefined]);
});

t.test('a request that runs when another ends leaves that one’s code to it', async (t) => {
  const { app, url, requests } = await serve(t, '--max-inflight=1', '--max-queue=1');
  const seen: string[] = [];
  app.once('request', (_first, one) => {
    const endOnceTheOtherWaits = (): unknown =>
      requests.waiting === 1 ? one.end() : setImmediate(endOnceTheOtherWaits);
    one.on('close', () => seen.push(nameCurrentRequest()));
    endOnceTheOtherWaits();
    app.once('request', (_second, two) => {
      seen.push(nameCurrentRequest());
      two.end();
    });
  });
  await Promise.all([get(`${url}/1`), get(`${url}/2`)]);
  t.match(seen, [/^GET \/[12]$/, /^GET \/[12]$/]);
  t.not(seen[0], seen[1]);
});
