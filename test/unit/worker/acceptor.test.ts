import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bindListener, type Listener, type TcpListener } from '../../../src/supervisor/listener.ts';
import { bindUnixSocket } from '../../../src/supervisor/unix-socket.ts';
import { shortFolder } from '../../support/ini.ts';
import type { Step } from './accepting-child.ts';

async function bind(t: Test, port = 0): Promise<TcpListener> {
  const listener = await bindListener('127.0.0.1', port);
  t.teardown(() => listener.close());
  return listener;
}

class Child {
  readonly #child: ChildProcess;

  constructor(t: Test, { fd, kind }: Listener) {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc', 'ignore', fd, fd] as const;
    this.#child = fork(join(import.meta.dirname, 'accepting-child.ts'), [kind], { stdio: [...stdio] });
    t.teardown(() => this.kill());
  }

  /** Has the child take a step; resolves when it is through, with what it saw. */
  async does(step: Step): Promise<unknown> {
    this.#child.send(step);
    const [message] = (await once(this.#child, 'message')) as [{ answer: unknown } | { error: string }];
    if ('error' in message) throw new Error(message.error);
    return message.answer;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

class Client {
  readonly socket: net.Socket;
  #text = '';

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => (this.#text += String(chunk)));
  }

  static async connect(t: Test, { address }: Listener): Promise<Client> {
    const socket = typeof address === 'string' ? net.connect(address) : net.connect(address.port, address.address);
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
    return new Client(socket);
  }

  async sends(text: string): Promise<void> {
    await new Promise((resolve) => this.socket.write(text, resolve));
  }

  async sees(text: string): Promise<void> {
    while (!this.#text.includes(text)) await once(this.socket, 'data');
  }

  get seen(): string {
    return this.#text;
  }
}

t.test('before the claim the kernel refuses, from then on it queues; the queue is served later', async (t) => {
  const listener = await bind(t);
  const child = new Child(t, listener);
  await t.rejects(Client.connect(t, listener), { code: 'ECONNREFUSED' });
  await child.does('claim');
  const client = await Client.connect(t, listener);
  await client.sends('early');
  t.same(await child.does('look'), [], 'nothing was accepted');
  await child.does('accept');
  await client.sees('hello early');
});

t.test('a claim keeps what a worker before it left in the queue', async (t) => {
  const listener = await bind(t);
  const first = new Child(t, listener);
  await first.does('claim');
  const client = await Client.connect(t, listener);
  await first.kill();
  const second = new Child(t, listener);
  await second.does('claim');
  await second.does('accept');
  await client.sees('hello');
  t.equal(((await second.does('look')) as unknown[]).length, 1);
});

t.test('two that claim the same socket do not disturb each other', async (t) => {
  const listener = await bind(t);
  const [one, other] = [new Child(t, listener), new Child(t, listener)];
  await one.does('claim');
  await one.does('accept');
  await other.does('claim');
  const client = await Client.connect(t, listener);
  await client.sees('hello');
});

t.test('a rival that bound the same port at the same moment is noticed', async (t) => {
  const [ours, theirs] = await bothBind(t);
  const [child, rival] = [new Child(t, ours), new Child(t, theirs)];
  await rival.does('claim');
  await t.rejects(child.does('claim'), new Error('EADDRINUSE'));
});

/** Two sockets on one port: bind(2) allows it as long as neither listens. */
async function bothBind(t: Test): Promise<[TcpListener, TcpListener]> {
  const ours = await bind(t);
  return [ours, await bind(t, ours.address.port)];
}

t.test('what is handed on is not read: it waits for whoever takes it', async (t) => {
  const listener = await bind(t);
  const child = new Child(t, listener);
  await child.does('claim');
  await child.does('accept paused');
  const client = await Client.connect(t, listener);
  await client.sees('hello');
  await client.sends('request');
  // Once for the order to overtake the request, once more to be behind it.
  await child.does('look');
  t.same(await child.does('look'), [{ bytesRead: 0, allowHalfOpen: true }]);
  await child.does('resume');
  await client.sees('later request');
});

t.test('what is served here is read at once', async (t) => {
  const listener = await bind(t);
  const child = new Child(t, listener);
  await child.does('accept');
  const client = await Client.connect(t, listener);
  await client.sends('request');
  await client.sees('hello request');
  t.same(await child.does('look'), [{ bytesRead: 7, allowHalfOpen: true }]);
});

t.test('closing ends nothing but accepting', async (t) => {
  const listener = await bind(t);
  const child = new Child(t, listener);
  await child.does('accept');
  const before = await Client.connect(t, listener);
  await before.sees('hello');
  await child.does('close');
  await before.sends('still here');
  await before.sees('still here');
  const after = await Client.connect(t, listener);
  const next = new Child(t, listener);
  await next.does('accept');
  await after.sees('hello');
  t.equal(((await child.does('look')) as unknown[]).length, 1);
});

t.test(
  'a unix socket: refused before the claim, queued from then on, also when whoever accepted is killed',
  async (t) => {
    const listener = await bindUnixSocket({ path: join(shortFolder(t), 's'), mode: '600' });
    t.teardown(() => listener.close());
    const first = new Child(t, listener);
    await t.rejects(Client.connect(t, listener), { code: 'ECONNREFUSED' });
    await first.does('claim');
    const early = await Client.connect(t, listener);
    await early.sends('early');
    t.same(await first.does('look'), [], 'nothing was accepted');
    await first.does('accept');
    await early.sees('hello early');
    const cut = once(early.socket, 'close').catch(() => {});
    await first.kill();
    await cut;
    const client = await Client.connect(t, listener);
    const second = new Child(t, listener);
    await second.does('accept');
    await client.sees('hello');
  },
);
