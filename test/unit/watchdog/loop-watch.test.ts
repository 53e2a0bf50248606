import fc from 'fast-check';
import t from 'tap';
import { LoopWatch, type WatchLimits, type Verdict } from '../../../src/watchdog/loop-watch.ts';

const EVERY = 250;
const LIMITS: WatchLimits = { cpuMs: 60_000, realMs: 120_000, realSetting: 'limit_time_real' };

/** A loop in simulated time: each step says how long it took, whether the loop turned, and how much CPU it burnt. */
function simulate(
  steps: readonly { ms?: number; beat?: boolean; cpu?: number; times?: number }[],
  limits = LIMITS,
): Verdict {
  const sight = { now: 1000, beats: 7, cpuMs: 500 };
  const watch = new LoopWatch(limits, EVERY, { ...sight });
  let verdict: Verdict = { exceeded: undefined, silentMs: 0, burntMs: 0 };
  for (const { ms = EVERY, beat = false, cpu = 0, times = 1 } of steps) {
    for (let n = 0; n < times && verdict.exceeded === undefined; n += 1) {
      sight.now += ms;
      sight.cpuMs += cpu;
      if (beat) sight.beats += 1;
      verdict = watch.look({ ...sight });
    }
  }
  return verdict;
}

t.test('a loop that turns is well, however busy: hours of it', async (t) => {
  t.equal(simulate([{ beat: true, cpu: EVERY, times: 4 * 3600 * 4 }]).exceeded, undefined);
});

t.test('blocked and burning: limit_time_cpu, not before', async (t) => {
  t.equal(simulate([{ cpu: EVERY, times: 239 }]).exceeded, undefined);
  t.match(simulate([{ cpu: EVERY, times: 240 }]), { exceeded: 'limit_time_cpu', silentMs: 60_000, burntMs: 60_000 });
});

t.test('blocked and silent: limit_time_real, not before', async (t) => {
  t.equal(simulate([{ times: 479 }]).exceeded, undefined);
  t.match(simulate([{ times: 480 }]), { exceeded: 'limit_time_real', silentMs: 120_000 });
});

t.test('a turn of the loop clears the record', async (t) => {
  t.equal(simulate([{ cpu: EVERY, times: 239 }, { beat: true }, { cpu: EVERY, times: 239 }]).exceeded, undefined);
});

t.test('time in which the watcher itself was suspended does not count', async (t) => {
  t.equal(simulate([{ times: 400 }, { ms: 240_000 }, { times: 78 }]).exceeded, undefined);
  t.equal(simulate([{ times: 400 }, { ms: 240_000 }, { times: 79 }]).exceeded, 'limit_time_real');
});

t.test('a watcher that is always late finds a stuck loop all the same', async (t) => {
  t.equal(simulate([{ ms: 2000, times: 479 }]).exceeded, undefined);
  t.equal(simulate([{ ms: 2000, times: 480 }]).exceeded, 'limit_time_real');
});

t.test('CPU that others burnt before is no sign of a loop that is silent only now', async (t) => {
  t.equal(simulate([{ cpu: EVERY * 8, times: 100 }]).exceeded, undefined);
});

t.test('a limit that is off never ends a loop', async (t) => {
  t.equal(
    simulate([{ cpu: EVERY, times: 100_000 }], { cpuMs: Infinity, realMs: Infinity, realSetting: 'limit_time_real' })
      .exceeded,
    undefined,
  );
});

t.test('whatever happens, a loop is not condemned unless it was silent for the limit', async () => {
  const step = fc.record({ ms: fc.nat(2000), beat: fc.boolean(), cpu: fc.nat(2000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const { exceeded } = simulate(steps, { cpuMs: 3000, realMs: 6000, realSetting: 'limit_time_real' });
      if (exceeded === undefined) return true;
      // The longest stretch without a beat, as a watcher sees it that may have slept.
      let silent = 0;
      let longest = 0;
      for (const { ms, beat } of steps) {
        silent = beat ? 0 : silent + ms;
        longest = Math.max(longest, silent);
      }
      return longest >= (exceeded === 'limit_time_cpu' ? 3000 : 6000);
    }),
  );
});

t.test('other limits: what is stuck already is judged by them, the silence between two beats is not', async (t) => {
  const short: WatchLimits = { ...LIMITS, cpuMs: 200, realMs: 200 };
  const sight = { now: 0, beats: 1, cpuMs: 0 };
  const after = (...looks: number[]): Verdict['exceeded'][] => {
    const watch = new LoopWatch(LIMITS, EVERY, { ...sight });
    for (const now of looks) watch.look({ now, beats: 1, cpuMs: now });
    watch.change(short, 50);
    const from = looks.at(-1) ?? 0;
    return [50, 100, 150, 200].map((ms) => watch.look({ now: from + ms, beats: 1, cpuMs: from + ms }).exceeded);
  };
  t.strictSame(after(EVERY), [undefined, undefined, undefined, 'limit_time_cpu'], 'it has the time of the new limit');
  t.equal(after(EVERY, 2 * EVERY, 3 * EVERY)[0], 'limit_time_cpu');
});
