/**
 * All listening sockets of the service, from the bind at its start to the close at its stop: those that were passed by
 * socket activation, else those that the settings ask for. Lives in the supervisor, which never accepts on them.
 */
import type { LoadedConfig } from '../config/config.ts';
import { explicit } from '../config/load.ts';
import { NO_INTERFACE } from '../config/settings.ts';
import { TricornError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { ListenAddress } from '../protocol.ts';
import { adopt, takePassed, type Passed } from './activation.ts';
import { bindListener, describeListener, localUrl, type Listener, type TcpListener } from './listener.ts';
import type { UnixSocketOptions } from './unix-socket.ts';

/** What descriptors that were passed take the place of. */
const REPLACED = ['http_interface', 'http_port', 'http_socket', 'http_socket_mode'] as const;

export interface ListenersOptions {
  readonly loaded: LoadedConfig;
  readonly log: Logger;
}

export interface OpenOptions {
  /** False: takes nothing but the variables out of the environment. */
  readonly bind: boolean;
  readonly owner?: UnixSocketOptions['owner'];
  readonly env?: NodeJS.ProcessEnv;
}

export class Listeners {
  readonly #loaded: LoadedConfig;
  readonly #log: Logger;
  readonly #open: Listener[] = [];

  constructor({ loaded, log }: ListenersOptions) {
    this.#loaded = loaded;
    this.#log = log;
  }

  /** @throws TricornError TRC_PORT_IN_USE, TRC_PORT_DENIED, TRC_ADDRESS, TRC_SOCKET, TRC_ACTIVATION, TRC_NO_LISTENER */
  async open({ bind, owner, env = process.env }: OpenOptions): Promise<void> {
    const passed = takePassed(env, process.pid, (pid) =>
      this.#log.info(`LISTEN_FDS is ignored: it is meant for process ${pid || '(none is named)'}`),
    );
    if (!bind || !this.#loaded.config.http_enable) return;
    if (passed.length > 0) this.#adopt(passed);
    else await this.#bind(owner);
    if (this.#open.length === 0) throw new TricornError('TRC_NO_LISTENER');
  }

  /** TCP first. */
  get all(): readonly Listener[] {
    return this.#open.toSorted((a, b) => Number(!isTcp(a)) - Number(!isTcp(b)));
  }

  /** What the app is told about where it is served. */
  get address(): ListenAddress | null {
    return this.all[0]?.address ?? null;
  }

  /** The URL to try from this machine; undefined where there is no TCP. */
  get url(): string | undefined {
    const tcp = this.#open.find(isTcp);
    return tcp && localUrl(tcp.address);
  }

  /** For the log: ` on …`, or nothing where nothing is open. */
  describe(): string {
    return this.#open.length === 0 ? '' : ` on ${this.all.map(describeListener).join(' and ')}`;
  }

  /** A unix socket whose file is another's by now: two that start at once cannot see each other when they bind. */
  lost(): TricornError | undefined {
    const lost = this.#open.find((listener) => listener.isLost?.());
    const reason = 'another process, or somebody by hand, has replaced or removed it in the meantime';
    return lost && new TricornError('TRC_SOCKET', { path: lost.shown, reason });
  }

  /** The supervisor's descriptors; those of the workers stay until they drain. */
  close(): void {
    for (const listener of this.#open.splice(0)) listener.close();
  }

  async #bind(owner: UnixSocketOptions['owner']): Promise<void> {
    const { http_interface, http_port, http_socket: path, http_socket_mode: mode } = this.#loaded.config;
    if (http_interface !== NO_INTERFACE) this.#open.push(await bindListener(http_interface, http_port));
    if (path === '') return;
    // Loaded only when asked for: the supervisor's memory is a budget.
    const { bindUnixSocket } = await import('./unix-socket.ts');
    this.#open.push(await bindUnixSocket({ path, mode, owner }));
  }

  #adopt(passed: readonly Passed[]): void {
    for (const one of passed) {
      const listener = adopt(one);
      this.#open.push(listener);
      this.#log.info({ fd: one.fd, name: one.name }, `Listens on ${listener.shown}, which was passed as ${one.name}`);
    }
    for (const key of REPLACED) {
      if (!explicit(this.#loaded, key)) continue;
      this.#log.warn(`${this.#loaded.origins[key].place}: ${key} is not used: LISTEN_FDS has passed sockets`);
    }
  }
}

function isTcp(listener: Listener): listener is TcpListener {
  return listener.kind === 'tcp';
}
