/**
 * Socket activation: listening sockets that systemd (or whoever speaks its protocol, sd_listen_fds(3)) has opened and
 * passes on. Lives in the supervisor. What was passed is never removed: it belongs to who opened it.
 */
import { Socket, type AddressInfo } from 'node:net';
import { fs } from '../builtins.ts';
import { TricornError } from '../errors.ts';
import { formatAddress, type Listener } from './listener.ts';

/** A descriptor that was passed, and the name that its unit gives it. */
export interface Passed {
  readonly fd: number;
  readonly name: string;
}

type Environment = Record<string, string | undefined>;

/** The first descriptor after standard input, output and error, by protocol. */
const FIRST_FD = 3;
const VARIABLES = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'] as const;

/**
 * What was passed to this process. Takes the variables out of the environment, so that no worker, and nothing that the
 * app starts, takes itself for the one who is meant.
 *
 * @param onForeign told of variables that are meant for another process
 * @throws TricornError TRC_ACTIVATION
 */
export function takePassed(env: Environment, pid: number, onForeign: (listenPid: string) => void): Passed[] {
  const { LISTEN_FDS: count, LISTEN_PID: listenPid, LISTEN_FDNAMES: names = '' } = env;
  for (const variable of VARIABLES) delete env[variable];
  if (count === undefined) return [];
  if (listenPid !== String(pid)) {
    onForeign(listenPid ?? '');
    return [];
  }
  if (!/^\d{1,4}$/.test(count))
    throw new TricornError('TRC_ACTIVATION', { what: `LISTEN_FDS = ${count}`, reason: 'is no number of descriptors' });
  const named = names.split(':');
  return Array.from({ length: Number(count) }, (_, index) => ({
    fd: FIRST_FD + index,
    name: named[index] || 'unknown',
  }));
}

/** @throws TricornError TRC_ACTIVATION where it is no stream socket that can be listened on */
export function adopt({ fd, name }: Passed): Listener {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new TricornError('TRC_ACTIVATION', { what: `descriptor ${fd} (${name})`, reason }, { cause });
  };
  try {
    if (!fs.fstatSync(fd).isSocket()) refuse('is no socket');
  } catch (error) {
    if (error instanceof TricornError) throw error;
    refuse('is not open', error);
  }
  try {
    // From now on it is this Socket's: nothing is read, and it is closed with it.
    const socket = new Socket({ fd, readable: false, writable: false });
    if (socket.remoteAddress !== undefined) refuse('is a connection; the unit must not say Accept=yes');
    const address = addressOf(socket, fd);
    return {
      kind: typeof address === 'string' ? 'unix' : 'tcp',
      address,
      fd,
      bound: socket,
      shown: show(address),
      close: () => socket.destroy(),
    };
  } catch (error) {
    if (error instanceof TricornError) throw error;
    return refuse('is no stream socket', error);
  }
}

function addressOf(socket: Socket, fd: number): AddressInfo | string {
  if (socket.localAddress !== undefined) return socket.address() as AddressInfo;
  return pathOf(fs.fstatSync(fd).ino) ?? `descriptor ${fd}`;
}

/** Of a unix socket, which Node has no way to ask; known on Linux only. */
function pathOf(inode: number): string | undefined {
  try {
    const table = fs.readFileSync('/proc/net/unix', 'utf8');
    return new RegExp(`^(?:\\S+ +){6}${inode} (.+)$`, 'm').exec(table)?.[1];
  } catch {
    return undefined;
  }
}

function show(address: AddressInfo | string): string {
  return typeof address === 'string' ? `unix:${address}` : formatAddress(address);
}
