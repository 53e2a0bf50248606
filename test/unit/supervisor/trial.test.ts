import { once, EventEmitter } from 'node:events';
import t from 'tap';
import { Histogram } from '../../../src/canary/histogram.ts';
import type { LoopFigures, ToWorker } from '../../../src/protocol.ts';
import { Trial, type TrialOptions } from '../../../src/supervisor/trial.ts';
import { recordLog, type Line } from './support.ts';

/** A worker that answers with these figures. */
class Worker {
  readonly state = 'ready';
  readonly sent: ToWorker[] = [];
  asked = 0;
  readonly #figures: LoopFigures;

  constructor(requests: number, errors: number) {
    const times = new Histogram();
    for (let request = errors; request < requests; request += 1) times.add(1);
    this.#figures = { requests, errors, latencies: [...times.counts] };
  }

  send(message: ToWorker): void {
    this.sent.push(message);
  }

  askFigures(): Promise<readonly LoopFigures[]> {
    this.asked += 1;
    return Promise.resolve([this.#figures]);
  }
}

type Generation = TrialOptions['next'] & { readonly given: string[] };

function generation(number: number, members: Worker[], { canary = '25%,10s', mode = 'prefork' } = {}): Generation {
  const given: string[] = [];
  const workers = {
    [Symbol.iterator]: () => members[Symbol.iterator](),
    get ready() {
      return members;
    },
  };
  const giveUp = ({ message }: { message: string }): number => given.push(message);
  const parts = { config: { canary }, generation: number, giveUp, given, limit: Infinity, mode, onTrial: false };
  return { ...parts, staff: 4, workers } as unknown as Generation;
}

interface Tried {
  readonly trial: Trial | undefined;
  readonly next: Generation;
  readonly lines: readonly Line[];
  readonly judged: Promise<unknown>;
  pass(ms: number): void;
}

function start(next: Generation, old: Generation): Tried {
  const { log, lines } = recordLog();
  const events = new EventEmitter();
  let now = 0;
  const trial = Trial.of({ next, old, log, clock: () => now, onJudged: () => events.emit('judged') });
  const pass = (ms: number): void => {
    now += ms;
    trial?.step();
  };
  return { trial, next, lines, judged: once(events, 'judged'), pass };
}

const old = (): Worker[] => [1, 2, 3, 4].map(() => new Worker(100, 0));

t.test('its time begins when all of the few are ready, and all count, those that come later, too', async (t) => {
  const canaries: Worker[] = [];
  const olds = old();
  const { next, lines, judged, pass } = start(generation(2, canaries), generation(1, olds));
  t.match(next, { limit: 1, onTrial: true });
  pass(20_000);
  t.same(lines, []);
  canaries.push(new Worker(100, 0));
  pass(0);
  t.match(lines, [{ message: 'Canary: 1 of 5 workers, 10 s', generation: 2 }]);
  pass(9_000);
  const late = new Worker(0, 0);
  olds.push(late);
  pass(999);
  t.same(late.sent, [{ type: 'measure', on: true }]);
  t.equal(late.asked, 0);
  pass(1);
  await judged;
  t.match(lines[1], { level: 'info', new: { requests: 100, errors: 0 }, old: { requests: 400, error_rate: 0 } });
  t.match(next, { onTrial: false, given: [] });
  for (const worker of [...olds, ...canaries]) t.same(worker.sent, [{ type: 'measure', on: true }], 'once');
});

t.test('one that is worse is given up', async (t) => {
  const { next, lines, judged, pass } = start(generation(2, [new Worker(100, 30)]), generation(1, old()));
  pass(0);
  pass(10_000);
  await judged;
  t.match(lines[1], { level: 'warn', message: /^Canary failed: .*30 % \(30 of 100\); old/ });
  t.match(next.given, ['the canary failed: error rate 30 % (30 of 100), before 0 % (0 of 400)']);
  t.equal(next.onTrial, true, 'it never takes over');
});

t.test('closed before its time: nobody counts any more, and nothing is said', async (t) => {
  const olds = old();
  const { trial, lines, pass } = start(generation(2, [new Worker(100, 30)]), generation(1, olds));
  pass(0);
  trial?.close();
  pass(10_000);
  t.same(
    olds.map(({ asked }) => asked),
    [1, 1, 1, 1],
  );
  t.equal(lines.length, 1);
});

t.test('there is none where none is wanted, or nothing can be compared', async (t) => {
  const one = generation(1, old());
  t.equal(start(generation(2, [], { canary: '' }), one).trial, undefined);
  const { trial, lines, next } = start(generation(2, [], { mode: 'threaded' }), one);
  t.equal(trial, undefined);
  t.match(lines, [{ message: 'Canary: none, for prefork and threaded cannot be compared' }]);
  t.match(next, { limit: Infinity, onTrial: false });
});
