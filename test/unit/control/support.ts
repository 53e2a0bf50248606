/** What the tests of the control socket share: a service that does as it is told, served on a real socket. */
import { join } from 'node:path';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { openControl, type Control, type OpenOptions } from '../../../src/control/open.ts';
import type { ChangeRequest, Operations, Outcome, Progress, Status } from '../../../src/control/operations.ts';
import { shortFolder } from '../../support/ini.ts';
import { recordLog, type Line } from '../supervisor/support.ts';
import { load } from '../config/support.ts';

export const status: Status = {
  pid: process.pid,
  version: '1.2.3',
  node: 'v26.10.0',
  mode: 'threaded',
  state: 'serving',
  isCrashLooping: false,
  isHealthy: true,
  generation: 3,
  app: '/srv/app.ts',
  listeners: ['http://127.0.0.1:8069'],
  uptimeMs: 7_384_000,
  wanted: 2,
  ready: 2,
  workers: [],
  deaths: 0,
  poison: [],
};

/** Every change is done at once, unless a test says otherwise. */
export class FakeService implements Operations {
  readonly asked: ChangeRequest[] = [];
  stops = 0;
  answer: (request: ChangeRequest, onProgress: (progress: Progress) => void) => Outcome | Promise<Outcome> = () => ({
    outcome: 'done',
    text: 'generation 4 serves',
    generation: 4,
  });
  reported: Status = status;
  loaded: ReturnType<typeof load>;

  constructor(t: Test) {
    this.loaded = load(t.testdir({ 'app.ts': '' }), { argv: ['app.ts'] });
  }

  async status(): Promise<Status> {
    return this.reported;
  }

  async stacks(): ReturnType<Operations['stacks']> {
    return [
      {
        name: '1',
        number: 1,
        pid: 7,
        loops: [{ thread: 0, frames: ['at block (/app.ts:3:4)'], request: 'GET /slow' }],
      },
    ];
  }

  config(): ReturnType<Operations['config']> {
    return this.loaded;
  }

  async change(request: ChangeRequest, onProgress: (progress: Progress) => void): Promise<Outcome> {
    this.asked.push(request);
    return this.answer(request, onProgress);
  }

  stop(): void {
    this.stops += 1;
  }
}

export interface Served {
  readonly control: Control;
  readonly service: FakeService;
  readonly log: readonly Line[];
  /** Of the socket. */
  readonly path: string;
}

/** A control socket in a folder of the test's own. */
export async function serve(t: Test, options: Partial<OpenOptions> = {}): Promise<Served> {
  const service = new FakeService(t);
  const { log, lines } = recordLog();
  const config = { control_socket: join(shortFolder(t), 'control') };
  const control = await openControl({ config, log, operations: service, ...options });
  if (!control) throw new Error('there is no control socket');
  t.teardown(() => control.close());
  return { control, service, log: lines, path: control.path };
}

/** A connection that says what the test likes; what comes back is kept. */
export interface RawClient {
  readonly socket: Socket;
  /** All that came until the connection ended, by whichever side and however. */
  readonly received: Promise<string>;
}

export function connectRaw(path: string, said = ''): RawClient {
  const socket = connect(path);
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  socket.on('error', () => {});
  socket.on('close', () => resolve(text));
  if (said !== '') socket.write(said);
  return { socket, received: promise };
}
