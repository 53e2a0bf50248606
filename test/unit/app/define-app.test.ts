import t from 'tap';
import { BRAND, type AppDefinition, defineApp } from '../../../src/app/define-app.ts';
import { defineApp as exported } from '../../../src/index.ts';

const handler = (): void => undefined;

t.test('is what the package exports', async (t) => t.equal(exported, defineApp));

t.test('returns the definition, branded and frozen', async (t) => {
  const app = defineApp({ handler, stats: () => ({ a: 1 }) });
  t.equal(app[BRAND], true);
  t.equal(app.handler, handler);
  t.ok(Object.isFrozen(app));
  t.equal(BRAND, Symbol.for('tricorn.app'), 'two copies of the package know each other’s apps');
});

t.test('types an inline plugin and an inline fetch', async (t) => {
  defineApp({ http: async (fastify, options) => void fastify.get('/', async () => options['a']) });
  defineApp({ fetch: (request) => new Response(request.url) });
  defineApp({ handler: (req, res) => void res.end(req.url), onStart: ({ log, worker }) => log.info({ worker }) });
  t.pass('the compiler has checked it');
});

t.test('takes an object of a class: its methods are called on it, its fields are its own', async (t) => {
  class Shop {
    readonly #name = 'shop';
    visits = 0;
    async fetch(): Promise<Response> {
      this.visits += 1;
      return new Response(this.#name);
    }
    stats(): Record<string, unknown> {
      return { visits: this.visits };
    }
  }
  const { fetch, stats, handler: none } = defineApp(new Shop());
  const response = await (await fetch)?.(new Request('http://lab/'));
  t.equal(await response?.text(), 'shop');
  t.strictSame(await stats?.(), { visits: 1 });
  t.equal(none, undefined);
});

t.test('refuses what its types forbid', async (t) => {
  const wrong = (definition: unknown): unknown => defineApp(definition as AppDefinition);
  t.throws(() => wrong({}), /exactly one of http, handler and fetch, but got none/);
  t.throws(() => wrong({ handler, fetch: handler }), /got handler and fetch/);
  t.throws(() => wrong({ handler, onstop: handler }), /not onstop/);
  t.throws(() => wrong({ handler: 'x' }), /defineApp\(\{ handler \}\) must be a function, not string/);
  t.throws(() => wrong({ handler, onStop: 1 }), /onStop/);
});
