import t from 'tap';
import { Debounce } from '../../../src/dev/debounce.ts';

/** A clock that a test moves; what is due meanwhile is called. */
class Time {
  now = 0;
  #due: { at: number; callback: () => void } | undefined;

  readonly clock = (): number => this.now;

  readonly schedule = (callback: () => void, ms: number): (() => void) => {
    const due = { at: this.now + ms, callback };
    this.#due = due;
    return () => {
      if (this.#due === due) this.#due = undefined;
    };
  };

  pass(ms: number): void {
    this.now += ms;
    const due = this.#due;
    if (!due || due.at > this.now) return;
    this.#due = undefined;
    due.callback();
  }
}

function start(): { time: Time; bursts: (readonly string[])[]; debounce: Debounce } {
  const time = new Time();
  const { clock, schedule } = time;
  const bursts: (readonly string[])[] = [];
  const debounce = new Debounce({ onBurst: (items) => bursts.push(items), clock, schedule });
  return { time, bursts, debounce };
}

t.test('what comes together is one burst, each thing once; it is over when nothing has come for 30 ms', async (t) => {
  const { time, bursts, debounce } = start();
  debounce.add('a');
  time.pass(20);
  debounce.add('b');
  debounce.add('a');
  time.pass(29);
  t.same(bursts, []);
  time.pass(1);
  t.same(bursts, [['a', 'b']]);
  time.pass(1000);
  debounce.add('c');
  time.pass(30);
  t.same(bursts, [['a', 'b'], ['c']], 'and the next one begins anew');
});

t.test('a burst that goes on and on is over after half a second', async (t) => {
  const { time, bursts, debounce } = start();
  for (let count = 0; count < 49; count += 1) {
    debounce.add(`file ${count}`);
    time.pass(10);
  }
  t.same(bursts, []);
  debounce.add('last');
  time.pass(10);
  t.equal(bursts.length, 1);
  t.equal(bursts[0]?.length, 50);
});

t.test('once stopped it is silent', async (t) => {
  const { time, bursts, debounce } = start();
  debounce.add('a');
  debounce.stop();
  time.pass(1000);
  t.same(bursts, []);
});
