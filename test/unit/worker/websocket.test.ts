import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import t from 'tap';
import { Websocket } from '../../../src/worker/websocket.ts';
import { frameOf } from '../../support/websocket.ts';

const ANSWER = 'HTTP/1.1 101 Switching Protocols\r\n\r\n';
const HELLO = frameOf(1, Buffer.from('hello'));
const CLOSE = frameOf(8, Buffer.from([0x03, 0xf4]));
const closing = { code: 1012, answerMs: 60_000 } as const;
const soon = { code: 1012, answerMs: 1 } as const;

/** What of a socket matters here: it keeps what would be sent. */
class Wire extends Writable {
  readonly #sent: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#sent.push(chunk);
    done();
  }

  destroySoon(): void {
    this.end(() => this.destroy());
  }

  get all(): Buffer {
    return Buffer.concat(this.#sent);
  }

  /** After the answer to the handshake. */
  get sent(): Buffer {
    return this.all.subarray(ANSWER.length);
  }
}

function open(answer = ANSWER): { readonly wire: Wire; readonly websocket: Websocket } {
  const wire = new Wire();
  const websocket = new Websocket(wire as unknown as Socket);
  if (answer !== '') wire.write(answer);
  t.teardown(() => wire.destroy());
  return { wire, websocket };
}

t.test('what the app sends goes out as it is, with whatever arguments', async (t) => {
  const { wire } = open();
  const heard: string[] = [];
  wire.cork();
  wire.write(HELLO.subarray(0, 2), () => heard.push('header'));
  wire.write('6865', 'hex', () => heard.push('half'));
  wire.uncork();
  wire.write(new Uint16Array(new Uint8Array(HELLO.subarray(4, 6)).buffer));
  await new Promise((resolve) => wire.write('o', resolve));
  t.same(wire.sent, HELLO);
  t.strictSame(heard, ['header', 'half']);
});

t.test('between two frames it is closed at once', async (t) => {
  const { wire, websocket } = open();
  wire.write(HELLO);
  websocket.close(closing);
  t.same(wire.sent, Buffer.concat([HELLO, CLOSE]));
});

t.test('closed twice it sends one close frame', async (t) => {
  const { wire, websocket } = open();
  websocket.close(closing);
  websocket.close(closing);
  t.same(wire.sent, CLOSE);
});

t.test(
  'a frame that is half sent is finished, and what follows in the same piece is lost, as its sender hears',
  async (t) => {
    const { wire, websocket } = open();
    wire.write(HELLO.subarray(0, 4));
    websocket.close(closing);
    t.same(wire.sent, HELLO.subarray(0, 4));
    const error = new Promise((resolve) => {
      wire.write(Buffer.concat([HELLO.subarray(4), HELLO]), resolve);
    });
    t.same(wire.sent, Buffer.concat([HELLO, CLOSE]));
    t.match(await error, /not sent: the server has closed/);
  },
);

t.test('a frame whose end comes in a piece of its own is sent whole', async (t) => {
  const { wire, websocket } = open();
  wire.write(HELLO.subarray(0, 1));
  websocket.close(closing);
  wire.write(HELLO.subarray(1, 3));
  t.equal(await new Promise((resolve) => wire.write(HELLO.toString('latin1', 3), 'latin1', resolve)), null);
  t.same(wire.sent, Buffer.concat([HELLO, CLOSE]));
});

t.test('before the app has answered, nothing is sent; then the close frame is the first', async (t) => {
  const { wire, websocket } = open('');
  websocket.close(closing);
  t.equal(wire.sent.length, 0);
  wire.write(Buffer.concat([Buffer.from(ANSWER), HELLO]));
  t.same(wire.sent, CLOSE);
});

t.test('an app that refuses the websocket is left alone', async (t) => {
  const { wire, websocket } = open('HTTP/1.1 401 Unauthorized\r\n\r\n');
  websocket.close(soon);
  wire.write('who are you?');
  t.match(wire.all.toString(), /who are you\?$/);
});

t.test("after the close frame nothing is sent; the app's own close frame counts as sent", async (t) => {
  const { wire, websocket } = open();
  websocket.close(closing);
  t.match(await new Promise((resolve) => wire.write(HELLO, resolve)), /not sent/);
  t.equal(await new Promise((resolve) => wire.write(CLOSE, resolve)), null);
  t.same(wire.sent, CLOSE);
});

t.test('one that the app closes itself gets no second close frame, and its client no more patience', async (t) => {
  const { wire, websocket } = open();
  wire.write(CLOSE);
  websocket.close(soon);
  await once(wire, 'close');
  t.same(wire.sent, CLOSE);
});

t.test('a client that does not answer is given up', async (t) => {
  const { wire, websocket } = open();
  websocket.close(soon);
  await once(wire, 'close');
  t.same(wire.sent, CLOSE);
});

t.test('on a connection that the app has ended nothing is sent', async (t) => {
  const { wire, websocket } = open();
  wire.end();
  websocket.close(closing);
  t.equal(wire.sent.length, 0);
});
