import t from 'tap';
import { PoisonList, routeOf } from '../../../src/limits/poison.ts';

t.test('a route is the path without its query; what looks like an id is a parameter', async (t) => {
  t.equal(routeOf('GET /'), 'GET /');
  t.equal(routeOf('GET /a/b?c=1&d=/2'), 'GET /a/b');
  t.equal(routeOf('POST /orders/17/items/3'), 'POST /orders/:id/items/:id');
  t.equal(routeOf('GET /u/123e4567-e89b-12d3-a456-426614174000'), 'GET /u/:id');
  t.equal(routeOf('GET /o/507f1f77bcf86cd799439011/x'), 'GET /o/:id/x');
  t.equal(routeOf('GET /v2/cafe'), 'GET /v2/cafe', 'short words are none');
  t.equal(routeOf('GET '), 'GET ');
});

t.test('three kills within a minute make poison, for a minute', async (t) => {
  let now = 0;
  const list = new PoisonList(3, () => now);
  t.equal(list.killed('GET /a/1'), undefined);
  now = 20_000;
  t.equal(list.killed('GET /a/2?x'), undefined);
  t.equal(list.killed('POST /a/2'), undefined, 'another method is another route');
  now = 59_000;
  t.equal(list.killed('GET /a/3'), 'GET /a/:id');
  t.same(list.active(), [{ route: 'GET /a/:id', leftMs: 60_000 }]);
  now = 118_000;
  t.same(list.active(), [{ route: 'GET /a/:id', leftMs: 1000 }]);
  now = 119_000;
  t.same(list.active(), []);
});

t.test('kills that are further apart are accidents', async (t) => {
  let now = 0;
  const list = new PoisonList(3, () => now);
  for (let hour = 0; hour < 3 * 60; hour += 1) {
    now += 31_000;
    t.equal(list.killed('GET /a'), undefined);
  }
});

t.test('after its minute it has to kill anew', async (t) => {
  let now = 0;
  const list = new PoisonList(2, () => now);
  list.killed('GET /a');
  t.equal(list.killed('GET /a'), 'GET /a');
  now = 61_000;
  t.equal(list.killed('GET /a'), undefined);
  t.equal(list.killed('GET /a'), 'GET /a');
});

t.test('threshold 0: nothing is poison', async (t) => {
  const list = new PoisonList(0, () => 0);
  for (let kill = 0; kill < 10; kill += 1) t.equal(list.killed('GET /a'), undefined);
  t.same(list.active(), []);
});
