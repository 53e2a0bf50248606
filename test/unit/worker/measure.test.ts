import { once } from 'node:events';
import t from 'tap';
import { Histogram } from '../../../src/canary/histogram.ts';
import type { LoopFigures } from '../../../src/protocol.ts';
import { get } from '../../support/http.ts';
import { serve, type Arrival, type Served } from './served.ts';

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
