/**
 * The process whose place this one takes in an upgrade, as the new supervisor sees it: what it hands over, and the channel
 * to it. The other side is successor.ts. Until it lets go, the files of its sockets are its own.
 */
import { closeSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import { TricornError, type WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { adopt } from './activation.ts';
import { CHANNEL_FD, parseHandover, type FileId, type FromSuccessor, type HandedSocket } from './handover.ts';
import type { Listener } from './listener.ts';

export interface Taken {
  readonly listener: Listener;
  readonly asked: string;
  /** Of a unix socket whose file is the service's own. */
  readonly file?: FileId | undefined;
}

const PASSED = 'passed ';

/** This one cannot even begin, so that there is no Predecessor. @param text what the environment says of the process before */
export function failTo(text: string, { message, stack }: WireError): void {
  if (!parseHandover(text)) return;
  try {
    writeSync(CHANNEL_FD, lineOf({ type: 'failed', message, stack }));
  } catch {
    // It is gone, or was never there: standard error has the reason, too.
  }
}

export class Predecessor {
  readonly pid: number;
  readonly #log: Logger;
  readonly #left: HandedSocket[];
  readonly #channel: Socket;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /** @param text what the environment says of it @throws TricornError TRC_UPGRADE */
  constructor(text: string, log: Logger) {
    const handover = parseHandover(text);
    if (!handover) throw refused('the process before speaks of the handover in a way that is not known here');
    this.pid = handover.pid;
    this.#log = log;
    this.#left = [...handover.sockets];
    try {
      this.#channel = new Socket({ fd: CHANNEL_FD });
    } catch (error) {
      throw refused(`there is no channel to process ${this.pid}`, error);
    }
    this.#channel.resume();
    this.#channel.on('error', () => {}).on('close', () => this.#gone.resolve());
  }

  /** Resolves when it lets go of the service, or is gone. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** A boot begins that may take so long. @throws TricornError TRC_UPGRADE where it would not be followed by a service */
  boots({ boot_timeout, stop_after_init, test_file }: Config): void {
    if (stop_after_init || test_file !== '') throw refused('stop_after_init and test_file are no service');
    this.#tell({ type: 'boots', seconds: boot_timeout });
  }

  /** The socket that was bound for that. @throws TricornError TRC_UPGRADE */
  take(asked: string): Taken | undefined {
    const index = this.#left.findIndex((socket) => socket.asked === asked);
    const [socket] = index === -1 ? [] : this.#left.splice(index, 1);
    if (!socket) return undefined;
    try {
      const listener = adopt({ fd: socket.fd, name: asked });
      // A socket with a file of ours was bound under another name (unix-socket.ts).
      const shown = socket.file ? asked : listener.shown;
      this.#log.info({ fd: socket.fd }, `Upgrade: ${shown} is taken over from process ${this.pid}`);
      return { listener, asked, file: socket.file };
    } catch (error) {
      throw refused(`${asked}, handed over by process ${this.pid}: ${(error as Error).message}`, error);
    }
  }

  /** The sockets that were passed to the service at its start, by socket activation, under a name that is wanted. */
  takePassed(isWanted: (name: string) => boolean): Taken[] {
    const asked = this.#left.map((socket) => socket.asked);
    const passed = asked.filter((each) => each.startsWith(PASSED) && isWanted(each.slice(PASSED.length)));
    return passed.flatMap((each) => this.take(each) ?? []);
  }

  /** What nobody asks for any more ends with the process before. */
  leaveRest(): void {
    for (const { fd, asked } of this.#left.splice(0)) {
      closeSync(fd);
      this.#log.info(`Upgrade: ${asked} is not taken over, for the configuration says otherwise now`);
    }
  }

  /** This one will not serve. */
  fails({ message, stack }: WireError): void {
    this.#tell({ type: 'failed', message, stack });
  }

  /** This one serves. Resolves when the other lets go, or is gone. */
  async letGo(taken: readonly string[]): Promise<void> {
    this.#tell({ type: 'ready', taken });
    await this.#gone.promise;
    this.#log.info(`Upgrade: process ${this.pid} has let go of the service`);
  }

  #tell(message: FromSuccessor): void {
    this.#channel.write(lineOf(message));
  }
}

function lineOf(message: FromSuccessor): string {
  return `${JSON.stringify(message)}\n`;
}

function refused(reason: string, cause?: unknown): TricornError {
  return new TricornError('TRC_UPGRADE', { reason }, { cause });
}
