import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import t, { type Test } from 'tap';
import { Histogram } from '../../../src/canary/histogram.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { LoopFigures } from '../../../src/protocol.ts';
import { Ledger } from '../../../src/worker/ledger.ts';
import { Requests } from '../../../src/worker/requests.ts';
import { get } from '../../support/http.ts';
import { bootOf, configOf } from '../supervisor/support.ts';

type Arrival = [http.IncomingMessage, http.ServerResponse];

interface Served {
  readonly requests: Requests;
  readonly url: string;
  /** 'request', when the app gets one; the test answers. */
  readonly app: EventEmitter<{ request: Arrival }>;
}

async function serve(t: Test, ...flags: string[]): Promise<Served> {
  const config = configOf(t, '--no-access-log', ...flags);
  const connections = new Set<net.Socket>();
  const log = openLog({ ...config, logfile: `${t.testdirName}/log` }, { role: 'http', worker: 1 });
  const ledger = new Ledger();
  ledger.open();
  const boot = { ...bootOf(config), thread: 0 };
  const requests = new Requests({ boot, log, ledger, connections, many: Infinity, onMany: () => {} });
  const app: Served['app'] = new EventEmitter();
  const server = http.createServer((request, response) => app.emit('request', request, response));
  server.prependListener('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => {
      connections.delete(socket);
      requests.onConnectionEnd(socket);
    });
  });
  requests.takeOver(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    log.close();
  });
  return { requests, url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, app };
}

/** So many requests, one after the other, that all have ended. */
async function ask(
  { app, url }: Served,
  count: number,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (let asked = 0; asked < count; asked += 1) {
    const answer = get(url);
    const [, response] = (await once(app, 'request')) as Arrival;
    const closed = once(response, 'close');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.writeHead(status).end();
    await Promise.all([answer, closed]);
  }
}

function timesOf(figures: LoopFigures | undefined): Histogram {
  const histogram = new Histogram();
  histogram.merge(figures?.latencies ?? []);
  return histogram;
}

t.test('nothing is counted before, and nothing after', async (t) => {
  const served = await serve(t);
  const { requests } = served;
  t.equal(requests.measure(false), undefined);
  await ask(served, 1);
  t.equal(requests.measure(true), undefined);
  await ask(served, 2);
  t.match(requests.measure(false), { requests: 2, errors: 0 });
  await ask(served, 1);
  t.equal(requests.measure(false), undefined);
});

t.test('errors are answers 5xx and what Tricorn refuses, from the first one on', async (t) => {
  const served = await serve(t);
  const { requests } = served;
  requests.measure(true);
  await ask(served, 1, 500);
  await ask(served, 1, 503);
  await ask(served, 1, 404);
  requests.refuseRoute({ type: 'poison', route: 'GET /poison', ms: 60_000 });
  const closed = await get(`${served.url}/poison`);
  t.equal(closed.status, 503);
  t.match(requests.measure(false), { requests: 4, errors: 3 });
});

t.test('times count once the loop is warm, but not those of errors and event streams', async (t) => {
  const served = await serve(t);
  const { requests } = served;
  requests.measure(true);
  await ask(served, 50);
  const cold = requests.measure(true);
  t.match(cold, { requests: 50 });
  t.equal(timesOf(cold).total, 0);
  await ask(served, 3);
  await ask(served, 1, 500);
  await ask(served, 1, 200, { 'content-type': 'text/event-stream' });
  const warm = requests.measure(false);
  t.match(warm, { requests: 5, errors: 1 });
  t.equal(timesOf(warm).total, 3);
});

t.test('what has not ended is as slow as it is old; what began before does not count', async (t) => {
  const { requests, app, url } = await serve(t);
  const answers = [get(url)];
  const [, early] = (await once(app, 'request')) as Arrival;
  requests.measure(true);
  answers.push(get(url));
  const [, late] = (await once(app, 'request')) as Arrival;
  const figures = requests.measure(false);
  t.match(figures, { requests: 1, errors: 0 });
  t.equal(timesOf(figures).total, 1);
  early.end();
  late.end();
  await Promise.all(answers);
});
