/**
 * http_socket and control_socket: a listening unix socket. Lives in the supervisor.
 *
 * It is bound under a name aside, gets its mode and owner there, and is then renamed: so nobody ever sees it open
 * wider, a stale file is replaced in one step, and libuv, which removes the name that it bound when the socket is
 * closed, cannot remove a file of that path which is another's by then.
 */
import { BoundSocket, type BoundSocketOptions } from 'node:net';
import { dirname, join } from 'node:path';
import { fs } from '../builtins.ts';
import { TricornError } from '../errors.ts';
import type { FileId } from './handover.ts';
import type { Listener } from './listener.ts';
import { connectError } from './probe.ts';

/** Of a path, bytes: what fits into sun_path of unix(7), and of its BSD kin. */
const LONGEST = process.platform === 'linux' ? 107 : 103;
const TOO_LONG = `the path is too long, for the system takes ${LONGEST} bytes`;

export interface UnixSocketOptions {
  /** Absolute. */
  readonly path: string;
  /** Octal text. */
  readonly mode: string;
  /** Who may open it besides the supervisor; default: who runs that. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** What an error is called; default TRC_SOCKET. */
  readonly code?: SocketErrorCode;
  /** Who serves there now is our predecessor, who knows: the path is taken from it. Default false. */
  readonly takeOver?: boolean;
}

type SocketErrorCode = 'TRC_SOCKET' | 'TRC_CONTROL_SOCKET';

/** An unix socket that is bound, and does not listen yet. */
export interface UnixListener extends Listener {
  readonly bound: BoundSocket;
}

/** @throws TricornError `code` where somebody serves there, another kind of file is there, or it cannot be made */
export async function bindUnixSocket(options: UnixSocketOptions): Promise<UnixListener> {
  const { path, mode, owner, code = 'TRC_SOCKET', takeOver = false } = options;
  try {
    const obstacle = await obstacleAt(path, takeOver);
    if (obstacle !== undefined) throw new TricornError(code, { path, reason: obstacle });
    const aside = join(dirname(path), `.trc${process.pid}`);
    const bound = bind(aside);
    try {
      permit(aside, { mode, owner });
      const { dev, ino } = fs.lstatSync(aside);
      fs.renameSync(aside, path);
      // Also where a server listens on it by now, which closes the descriptor with itself.
      const leave = (): void => bound[Symbol.dispose]();
      return { ...listenerOf(path, bound.fd(), { dev, ino }, leave), bound };
    } catch (error) {
      // This removes the name aside, too.
      bound.close();
      throw error;
    }
  } catch (error) {
    throw error instanceof TricornError ? error : socketError(code, path, error as NodeJS.ErrnoException);
  }
}

/**
 * One that another process has bound, and hands over with its file.
 *
 * @returns undefined where that file is not there any more, so that nobody could reach it
 * @throws TricornError TRC_SOCKET
 */
export function refit(listener: Listener, file: FileId, options: UnixSocketOptions): Listener | undefined {
  const { path } = options;
  if (!isSame(path, file)) {
    listener.close();
    return undefined;
  }
  try {
    permit(path, options);
  } catch (error) {
    listener.close();
    throw socketError('TRC_SOCKET', path, error as NodeJS.ErrnoException);
  }
  return listenerOf(path, listener.fd, file, () => listener.close());
}

function permit(path: string, { mode, owner }: Omit<UnixSocketOptions, 'path'>): void {
  if (owner) fs.chownSync(path, owner.uid, owner.gid);
  fs.chmodSync(path, Number.parseInt(mode, 8));
}

function listenerOf(path: string, fd: number, file: FileId, leave: () => void): Listener {
  return {
    kind: 'unix',
    address: path,
    fd,
    shown: `unix:${path}`,
    file,
    isLost: () => !isSame(path, file),
    leave,
    close: () => {
      leave();
      if (isSame(path, file)) remove(path);
    },
  };
}

function bind(path: string): BoundSocket {
  // Left behind by a supervisor of the same pid that was killed in this very moment.
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSocket()) fs.rmSync(path, { force: true });
  // The types of Node do not know of paths yet.
  const options: BoundSocketOptions & { path: string } = { path };
  return new BoundSocket(options);
}

/** Why the path cannot be taken; undefined where it can: nothing is there, or a socket that nobody answers on. */
async function obstacleAt(path: string, takeOver: boolean): Promise<string | undefined> {
  // The name aside may be short enough where this is not: then nobody could connect.
  if (Buffer.byteLength(path) > LONGEST) return TOO_LONG;
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  // The system's own word for a folder that is missing would be EACCES.
  if (!fs.lstatSync(dirname(path), { throwIfNoEntry: false })) return `there is no folder ${dirname(path)}`;
  if (stat === undefined) return undefined;
  if (!stat.isSocket()) return 'there is a file that is no socket; remove it';
  if (takeOver) return undefined;
  const code = await connectError(path);
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return undefined;
  // EAGAIN: its queue is full.
  if (code === undefined || code === 'EAGAIN') return 'another process serves there; stop it';
  return `there is a socket that cannot be asked whether somebody serves it (${code})`;
}

function isSame(path: string, { dev, ino }: FileId): boolean {
  try {
    const now = fs.lstatSync(path);
    return now.dev === dev && now.ino === ino;
  } catch {
    return false;
  }
}

/** One that cannot be removed is stale from now on, and the next start replaces it. */
function remove(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // The folder was made read-only: no reason to end otherwise than asked.
  }
}

function socketError(code: SocketErrorCode, path: string, error: NodeJS.ErrnoException): TricornError {
  const tooLong = error.code === 'EINVAL' || error.code === 'ENAMETOOLONG';
  const reason = tooLong ? TOO_LONG : error.message;
  return new TricornError(code, { path, reason }, { cause: error });
}
