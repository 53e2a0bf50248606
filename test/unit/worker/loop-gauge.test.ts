import t from 'tap';
import { LoopGauge } from '../../../src/worker/loop-gauge.ts';

/** Several times the gauge's own resolution of 50 ms. */
const BLOCK_MS = 300;

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** One turn through the timers that are due by now: the gauge's own is among them. The loop does not wait for any. */
function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 1);
  block(3);
  return promise;
}

/** A gauge whose timer has begun to measure: it measures from one of its turns to the next. */
async function startGauge(): Promise<LoopGauge> {
  const gauge = new LoopGauge();
  block(100);
  await turn();
  return gauge;
}

t.test('a blocked loop shows in delay and utilisation', async (t) => {
  const begun = performance.now();
  const gauge = await startGauge();
  block(BLOCK_MS);
  await turn();
  const { delayP50, delayP99, utilisation } = gauge.read();
  // At least: a slow machine may block for longer. Its timer may have been due for up to 50 ms before the block.
  t.ok(delayP99 >= BLOCK_MS - 100, `${delayP99} ms`);
  t.ok(delayP99 <= performance.now() - begun, `${delayP99} ms are no longer than all of it`);
  t.ok(delayP50 <= delayP99);
  t.ok(utilisation > 0.5 && utilisation <= 1, `${utilisation}`);
});

t.test('a reading is of the time since the last', async (t) => {
  const gauge = await startGauge();
  block(BLOCK_MS);
  await turn();
  gauge.read();
  t.match(gauge.read(), { delayP50: 0, delayP99: 0 });
});

t.test('a loop that waits is less busy than one that is blocked', async (t) => {
  const gauge = new LoopGauge();
  block(BLOCK_MS);
  const blocked = gauge.read().utilisation;
  t.ok(blocked > 0.5 && blocked <= 1, `${blocked}`);
  // Waiting is what is measured here, so there has to be some.
  await new Promise((resolve) => setTimeout(resolve, BLOCK_MS));
  const { utilisation } = gauge.read();
  // Less by how much, a machine decides that may stand still meanwhile.
  t.ok(utilisation >= 0 && utilisation < blocked, `${utilisation}`);
});

t.test('before anything was measured it reads 0, not what an empty histogram holds', async (t) => {
  t.match(new LoopGauge().read(), { delayP50: 0, delayP99: 0 });
});

t.test('two gauges do not disturb each other', async (t) => {
  const [one, other] = [await startGauge(), new LoopGauge()];
  block(BLOCK_MS);
  await turn();
  other.read();
  t.ok(one.read().delayP99 >= BLOCK_MS - 100);
});
