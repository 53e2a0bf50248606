import { pino, type Bindings, type ChildLoggerOptions } from 'pino';
import t from 'tap';
import { makeChildrenLazy } from '../../../src/log/lazy-child.ts';

type Use = (log: pino.Logger) => void;

/** The lines that `use` logs on a pino as it is, and on one with lazy children: they must not differ. */
function bothWays(use: Use): [string[], string[]] {
  const [eager, lazy] = [false, true].map((isLazy) => {
    const lines: string[] = [];
    const options = { base: { worker: 1 }, timestamp: false, level: 'debug' };
    const log = pino(options, { write: (line: string) => lines.push(line) });
    if (isLazy) makeChildrenLazy(log);
    use(log);
    return lines;
  });
  return [eager ?? [], lazy ?? []];
}

const child = (log: pino.Logger, bindings: Bindings = { reqId: 'r1' }, options?: ChildLoggerOptions): pino.Logger => {
  return log.child(bindings, options);
};

const uses: Record<string, Use> = {
  'a line': (log) => child(log).info('hello'),
  'two lines, with fields': (log) => {
    const request = child(log, { reqId: 'r1', user: { id: 7 } });
    request.info({ a: 1 }, 'first');
    request.warn('second');
  },
  'an error': (log) => child(log).error(Object.assign(new Error('x'), { stack: 'stack' }), 'failed'),
  'a child of a child': (log) => child(child(log), { deeper: true }).info('hello'),
  'a child with options': (log) => child(log, { reqId: 'r1' }, { level: 'error' }).info('is not logged'),
  'a child with serializers': (log) => {
    child(log, { secret: 'x' }, { serializers: { secret: () => 'hidden' } }).info({ secret: 'y' }, 'hello');
  },
  'empty options, as Fastify gives them': (log) => child(log, { reqId: 'r1' }, {}).info('hello'),
  'bindings that are set later': (log) => {
    const request = child(log);
    request.setBindings({ later: true });
    request.info('hello');
  },
  'bindings that are read': (log) => log.info(child(log).bindings(), 'read'),
  'a level of its own': (log) => {
    const request = child(log);
    request.level = 'warn';
    request.info('is not logged');
    request.warn(`${request.isLevelEnabled('info')} ${log.level}`);
  },
  'many at once': (log) => {
    const children = [1, 2, 3].map((reqId) => child(log, { reqId }));
    for (const request of children.toReversed()) request.debug('hello');
  },
};

for (const [name, use] of Object.entries(uses)) {
  t.test(`${name}: the same with lazy children as without`, async (t) => {
    const [eager, lazy] = bothWays(use);
    t.same(lazy, eager);
  });
}

t.test('the bindings become text at the first line, not before', async (t) => {
  let asked = 0;
  const log = pino({ serializers: { reqId: () => (asked += 1) } }, { write: () => undefined });
  makeChildrenLazy(log);
  const request = child(log);
  t.equal(asked, 0);
  request.info('one');
  request.info('two');
  t.equal(asked, 1);
});
