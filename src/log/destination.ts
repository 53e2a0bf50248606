/**
 * Where lines go: standard output or `logfile`, opened so that a write to it can block nobody.
 *
 * A blocking write on a pipe that nobody reads holds a thread of libuv's pool, which all threads of a process share: four
 * such writes, and every fs and dns call of the app hangs. So pipes and terminals are opened once more through /proc with
 * O_NONBLOCK, as a descriptor of our own: nobody else's flags change, and nobody can change ours. That cannot be had for a
 * socket (journald, a parent that is Node): there process.stdout is touched, whereupon Node makes the shared one non-blocking.
 */

import { fs } from '../builtins.ts';
import { TricornError } from '../errors.ts';

/** Linux writes this much to a pipe in one piece; so lines of several writers do not mix. */
const PIPE_BUF = 4096;

/** One piece on a Unix socket of Linux is 32 KiB (one buffer of the kernel); half of that, to be far from the edge. */
const SOCKET_PIECE = process.platform === 'linux' ? 16_384 : PIPE_BUF;

const FILE_PIECE = 262_144;

type Kind = 'file' | 'pipe' | 'socket' | 'terminal';

export interface Destination {
  readonly kind: Kind;
  readonly fd: number;
  /** The path that may be renamed away; '' for standard output and for what is no plain file. */
  readonly path: string;
  /** Most bytes in one write. */
  readonly piece: number;
  /** Most bytes in one line. */
  readonly longest: number;
  /** Cannot block, so it is written at once instead of by way of the thread pool. */
  readonly direct: boolean;
  readonly stdout: boolean;
  /** Opened here, so closed here. */
  readonly own: boolean;
}

const sizes: Record<Kind, Pick<Destination, 'piece' | 'longest'>> = {
  file: { piece: FILE_PIECE, longest: Infinity },
  pipe: { piece: PIPE_BUF, longest: PIPE_BUF },
  socket: { piece: SOCKET_PIECE, longest: SOCKET_PIECE },
  terminal: { piece: PIPE_BUF, longest: Infinity },
};

const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = fs.constants;
// On Windows O_NONBLOCK and O_NOCTTY are undefined: `|` takes that as 0.
const FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY;

/** O_NONBLOCK does nothing to a plain file; it keeps a FIFO without a reader from hanging the start. */
export const LOGFILE_FLAGS: number = FLAGS | O_CREAT;
export const LOGFILE_MODE = 0o640;

/** Opens `logfile`, or standard output where that is ''. @param inThread not in its process's main thread. Throws TRC_LOGFILE. */
export function openDestination(logfile: string, inThread = false): Destination {
  if (logfile === '') return openStdout(inThread);
  try {
    return describe(fs.openSync(logfile, LOGFILE_FLAGS, LOGFILE_MODE), logfile);
  } catch (error) {
    throw new TricornError('TRC_LOGFILE', { path: logfile, reason: reasonOf(error) }, { cause: error });
  }
}

/** The destination that a freshly opened descriptor of `path` is. */
export function describe(fd: number, path: string): Destination {
  const kind = kindOf(fd);
  return {
    kind,
    fd,
    path: kind === 'file' ? path : '',
    ...sizes[kind],
    direct: kind !== 'file',
    stdout: false,
    own: true,
  };
}

function openStdout(inThread: boolean): Destination {
  const kind = kindOf(1);
  const fd = kind === 'pipe' || kind === 'terminal' ? reopenStdout() : undefined;
  if (fd !== undefined) return { kind, fd, path: '', ...sizes[kind], direct: true, stdout: true, own: true };
  // In a thread process.stdout is only a relay; the main thread of the process has been here before it.
  if (kind !== 'file' && !inThread) void process.stdout;
  return { kind, fd: 1, path: '', ...sizes[kind], direct: false, stdout: true, own: false };
}

/** Whether a write to a shared descriptor returns at once: whoever else has it may change that. Known only on Linux. */
export function isNonBlocking(fd: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & O_NONBLOCK) !== 0;
  } catch {
    return false;
  }
}

/** Undefined where there is no /proc, or where the pipe belongs to another user (after su or sudo). */
function reopenStdout(): number | undefined {
  try {
    return fs.openSync('/proc/self/fd/1', FLAGS);
  } catch {
    return undefined;
  }
}

function kindOf(fd: number): Kind {
  const stat = fs.fstatSync(fd);
  if (stat.isFIFO()) return 'pipe';
  if (stat.isSocket()) return 'socket';
  return stat.isCharacterDevice() ? 'terminal' : 'file';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
