/**
 * A listening socket. Lives in the supervisor, which owns it and never accepts: while the service lives the accept
 * queue survives every worker (docs/architecture.md, "The socket"). This file binds TCP; unix-socket.ts and
 * activation.ts have the other kinds.
 */
import { BoundSocket, isIP, isIPv6, type AddressInfo, type Socket } from 'node:net';
import { TricornError } from '../errors.ts';
import type { ListenAddress, ListenerKind } from '../protocol.ts';
import type { FileId } from './handover.ts';

export interface Listener {
  readonly kind: ListenerKind;
  /** As a net.Server of Node would say it. */
  readonly address: ListenAddress;
  readonly fd: number;
  /** What a net.Server of this process can listen on, which closes the descriptor with itself. */
  readonly bound?: BoundSocket | Socket;
  /** For messages: `127.0.0.1:8069`, `unix:/run/app.sock`. */
  readonly shown: string;
  /** Whether its file is another's by now, so that nobody reaches it any more. Only sockets with a file of ours. */
  isLost?(): boolean;
  /** Of a unix socket whose file is ours. */
  readonly file?: FileId;
  /** Lets go of the supervisor's descriptor, and removes a file that is ours. */
  close(): void;
  /** Lets go of the descriptor alone: the file is another process's. Only sockets with a file. */
  readonly leave?: () => void;
}

export interface TcpListener extends Listener {
  readonly kind: 'tcp';
  readonly address: AddressInfo;
}

/**
 * Binds host and port. A name is resolved first, `[::1]` may keep its brackets.
 *
 * @param port 0 = any free one
 * @throws TricornError TRC_PORT_IN_USE, TRC_PORT_DENIED, TRC_ADDRESS
 */
export async function bindListener(host: string, port: number): Promise<TcpListener> {
  const shown = formatAddress({ address: host, port });
  try {
    const bound = new BoundSocket({ host: await numericHost(host), port });
    const address = bound.address();
    // Also where a server listens on it by now.
    const close = (): void => bound[Symbol.dispose]();
    return { kind: 'tcp', address, fd: bound.fd(), bound, shown: formatAddress(address), close };
  } catch (error) {
    throw bindError(error as NodeJS.ErrnoException, shown);
  }
}

/** Also used for what a worker meets when it listens: bind(2) alone does not notice every rival. */
export function bindError(error: NodeJS.ErrnoException, address: string): TricornError {
  if (error.code === 'EADDRINUSE') return new TricornError('TRC_PORT_IN_USE', { address }, { cause: error });
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new TricornError('TRC_PORT_DENIED', { address }, { cause: error });
  }
  return new TricornError('TRC_ADDRESS', { address, reason: error.code ?? error.message }, { cause: error });
}

async function numericHost(host: string): Promise<string> {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(name)) return name;
  // Loaded only when asked for: the supervisor's memory is a budget.
  const { lookup } = await import('node:dns/promises');
  return (await lookup(name)).address;
}

/** `127.0.0.1:8069`, `[::1]:8069`. */
export function formatAddress({ address, port }: { address: string; port: number }): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What a wildcard address is reached by from this machine. */
const LOOPBACKS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** The URL to try from this machine. */
export function localUrl({ address, port }: { address: string; port: number }): string {
  return `http://${formatAddress({ address: LOOPBACKS[address] ?? address, port })}`;
}

/** For the log: the URL, and whether it is one of many; of a unix socket, its name. */
export function describeListener({ address, shown }: Pick<Listener, 'address' | 'shown'>): string {
  if (typeof address === 'string') return shown;
  return localUrl(address) + (address.address in LOOPBACKS ? ' and every other address of this machine' : '');
}
