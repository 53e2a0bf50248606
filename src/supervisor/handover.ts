/**
 * An upgrade of Tricorn or Node: what a supervisor hands to the process that takes its place, and what the two say to each
 * other. The sockets are inherited descriptors; LISTEN_FDS could not name them, for its LISTEN_PID is known only after the
 * spawn. Both sides may be of different versions, so this is read with care.
 *
 * The new process says `boots`, then `ready` or `failed`; the old one answers by closing the channel. So the new one is the service when
 * the channel ends, whether it was let on, or the old one is gone.
 */
import { upgradeVariable } from '../config/environment.ts';
import { lineDecoder } from '../protocol.ts';

const VERSION = 1;
/** After standard input, output and error; the sockets follow. */
export const CHANNEL_FD = 3;

/** Tells one file from another of the same name. */
export interface FileId {
  readonly dev: number;
  readonly ino: number;
}

/** A listening socket that can be handed over. */
export interface HandedSocket {
  readonly fd: number;
  /** The settings that it was bound for, `tcp 127.0.0.1:0`, or `passed NAME`: it is taken by whom it is asked for again. */
  readonly asked: string;
  /** Of a unix socket whose file is the service's own. */
  readonly file?: FileId | undefined;
}

export interface Handover {
  readonly version: number;
  /** Of the process that hands over. */
  readonly pid: number;
  readonly sockets: readonly HandedSocket[];
}

export type FromSuccessor =
  /** Its generation starts, and has that many seconds. */
  | { readonly type: 'boots'; readonly seconds: number }
  /** It will not get ready, and why. */
  | { readonly type: 'failed'; readonly message: string; readonly stack?: string | undefined }
  /** Its generation is up, its pidfile written. `taken`: which sockets' files are its own from now on (`asked`). */
  | { readonly type: 'ready'; readonly taken: readonly string[] };

/** What is to be inherited, in the order of the descriptors from CHANNEL_FD + 1 on, and the variable that describes it. */
export function describe(pid: number, sockets: readonly HandedSocket[]): Record<string, string> {
  const renumbered = sockets.map((socket, index) => ({ ...socket, fd: CHANNEL_FD + 1 + index }));
  const handover: Handover = { version: VERSION, pid, sockets: renumbered };
  return { [upgradeVariable]: JSON.stringify(handover) };
}

/** Takes the variable out of the environment, so that nothing that is started later takes itself for a successor. */
export function takeHandover(env: Record<string, string | undefined>): string | undefined {
  const text = env[upgradeVariable];
  delete env[upgradeVariable];
  return text;
}

/** Undefined where it is none that this version understands. */
export function parseHandover(text: string): Handover | undefined {
  try {
    const handover = JSON.parse(text) as Handover;
    const { version, pid, sockets } = handover;
    return version === VERSION && Number.isInteger(pid) && sockets.every(isSocket) ? handover : undefined;
  } catch {
    return undefined;
  }
}

function isSocket({ fd, asked }: HandedSocket): boolean {
  return Number.isInteger(fd) && fd > CHANNEL_FD && typeof asked === 'string';
}

/** What is no message of ours is passed over: another program may stand where Tricorn stood. */
export function successorDecoder(onMessage: (message: FromSuccessor) => void): (chunk: Buffer) => void {
  const decode = lineDecoder<Partial<FromSuccessor> | null>((message) => {
    if (message?.type === 'boots' && typeof message.seconds === 'number') onMessage(message as FromSuccessor);
    if (message?.type === 'failed' && typeof message.message === 'string') onMessage(message as FromSuccessor);
    if (message?.type === 'ready' && Array.isArray(message.taken)) onMessage(message as FromSuccessor);
  });
  return (chunk) => {
    try {
      decode(chunk);
    } catch {
      // No JSON.
    }
  };
}
