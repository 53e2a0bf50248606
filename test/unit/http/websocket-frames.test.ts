import fc from 'fast-check';
import t from 'tap';
import { closeFrame, FrameTracker } from '../../../src/http/websocket-frames.ts';
import { frameOf } from '../../support/websocket.ts';

const ANSWER = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: HTTP/1.1 400\r\n\r\n');

function accepted(): FrameTracker {
  const tracker = new FrameTracker();
  tracker.follow(ANSWER);
  return tracker;
}

t.test('a close frame is unmasked and has the code', async (t) => {
  t.same(closeFrame(1001), Buffer.from([0x88, 2, 0x03, 0xe9]));
  t.same(closeFrame(1012), Buffer.from([0x88, 2, 0x03, 0xf4]));
});

t.test('before the whole answer nothing may stand, after it something may', async (t) => {
  const tracker = new FrameTracker();
  for (const byte of ANSWER) {
    t.notOk(tracker.isBetweenFrames);
    tracker.follow(Buffer.from([byte]));
  }
  t.ok(tracker.isBetweenFrames);
});

t.test('an app that refuses, or says what is no HTTP, has no frames', async (t) => {
  const refusals = ['HTTP/1.1 401 Unauthorized\r\nX: HTTP/1.1 101 \r\n\r\n', 'x'.repeat(70_000), 'x\r\n\r\n'];
  for (const refusal of refusals) {
    const tracker = new FrameTracker();
    tracker.follow(Buffer.from(refusal));
    tracker.follow(ANSWER);
    t.notOk(tracker.isBetweenFrames || tracker.isClosed, refusal.slice(0, 20));
  }
});

t.test('frames of every length of header, in one piece and byte by byte', async (t) => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536]) {
    const frame = frameOf(2, Buffer.alloc(length));
    const [whole, piecemeal] = [accepted(), accepted()];
    whole.follow(frame);
    t.ok(whole.isBetweenFrames, `${length}`);
    for (const [index, byte] of frame.entries()) {
      if (piecemeal.isBetweenFrames && index > 0) t.fail(`${length}: not at ${index}`);
      piecemeal.follow(Buffer.from([byte]));
    }
    t.ok(piecemeal.isBetweenFrames, `${length}, byte by byte`);
  }
});

t.test('a masked frame, which no server should send, is four bytes longer', async (t) => {
  const tracker = accepted();
  tracker.follow(Buffer.from([0x82, 0x81, 1, 2, 3, 4]));
  t.notOk(tracker.isBetweenFrames);
  tracker.follow(Buffer.from([9]));
  t.ok(tracker.isBetweenFrames);
});

t.test("the app's own close frame is the last, with a payload and without", async (t) => {
  for (const payload of [Buffer.alloc(0), Buffer.from([3, 232])]) {
    const tracker = accepted();
    tracker.follow(frameOf(8, payload));
    t.ok(tracker.isClosed);
    tracker.follow(frameOf(2, Buffer.alloc(3)));
    t.ok(tracker.isClosed);
    t.notOk(tracker.isBetweenFrames);
  }
});

t.test('the end of a frame is found in whatever pieces it is sent', async () => {
  const frames = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 400 })), { minLength: 1, maxLength: 6 });
  const cuts = fc.array(fc.nat({ max: 2500 }), { maxLength: 8 });
  const property = fc.property(frames, cuts, fc.nat(), (sizes, cutsAt, pick) => {
    const encoded = sizes.map(([fin, size]) => frameOf(fin ? 1 : 0, Buffer.alloc(size, 0x88), fin));
    const bytes = Buffer.concat([ANSWER, ...encoded]);
    const ends = encoded.reduce((all, frame) => [...all, (all.at(-1) ?? 0) + frame.length], [ANSWER.length]);
    const from = pick % bytes.length;
    const tracker = new FrameTracker();
    const marks = [0, ...cutsAt.filter((cut) => cut < from).toSorted((a, b) => a - b), from];
    for (const [index, mark] of marks.slice(1).entries()) follow(tracker, bytes.subarray(marks[index], mark));
    if (tracker.isBetweenFrames) return ends.includes(from);
    return from + tracker.followToFrameEnd(bytes.subarray(from)) === ends.find((end) => end > from);
  });
  fc.assert(property, { numRuns: 2000 });
});

/** As src/worker/websocket.ts does. */
function follow(tracker: FrameTracker, bytes: Uint8Array): void {
  if (!tracker.skip(bytes.length)) tracker.follow(bytes);
}
