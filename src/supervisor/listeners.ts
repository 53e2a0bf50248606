/**
 * All listening sockets of the service, from the bind at its start to the close at its stop: those that were passed by
 * socket activation, else those that the settings ask for. Lives in the supervisor, which never accepts on them.
 */
import type { LoadedConfig } from '../config/config.ts';
import { explicit } from '../config/load.ts';
import { NO_INTERFACE } from '../config/settings.ts';
import { TricornError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Role } from '../protocol.ts';
import { adopt, takePassed, type Passed } from './activation.ts';
import type { HandedSocket } from './handover.ts';
import { bindListener, describeListener, localUrl, type Listener, type TcpListener } from './listener.ts';
import type { Predecessor, Taken } from './predecessor.ts';
import type { UnixSocketOptions } from './unix-socket.ts';

/** What descriptors that were passed take the place of. */
const REPLACED = ['http_interface', 'http_port', 'http_socket', 'http_socket_mode'] as const;

/** What one of evented_port was opened for begins so. */
const ASIDE = 'evented ';
/** A socket that is passed under this name takes its place. */
const NAME_ASIDE = 'evented';
const LOOPBACK = '127.0.0.1';

export interface ListenersOptions {
  readonly loaded: LoadedConfig;
  readonly log: Logger;
}

export interface OpenOptions {
  /** False: takes nothing but the variables out of the environment. */
  readonly bind: boolean;
  readonly owner?: UnixSocketOptions['owner'];
  readonly env?: NodeJS.ProcessEnv;
  /** Hands over what it has open. */
  readonly predecessor?: Pick<Predecessor, 'take' | 'takePassed' | 'leaveRest'> | undefined;
}

export class Listeners {
  readonly #loaded: LoadedConfig;
  readonly #log: Logger;
  readonly #open: Listener[] = [];
  /** What each of them was opened for. */
  readonly #asked = new Map<Listener, string>();
  /** Their files belong to another process: the one before, until it lets go, or the next one. */
  readonly #foreign = new Set<Listener>();

  constructor({ loaded, log }: ListenersOptions) {
    this.#loaded = loaded;
    this.#log = log;
  }

  /** @throws TricornError TRC_PORT_IN_USE, TRC_PORT_DENIED, TRC_ADDRESS, TRC_SOCKET, TRC_ACTIVATION, TRC_NO_LISTENER */
  async open({ bind, owner, env = process.env, predecessor }: OpenOptions): Promise<void> {
    const passed = takePassed(env, process.pid, (pid) =>
      this.#log.info(`LISTEN_FDS is ignored: it is meant for process ${pid || '(none is named)'}`),
    );
    if (!bind || !this.#loaded.config.http_enable) return predecessor?.leaveRest();
    if (passed.length > 0) this.#adopt(passed);
    for (const { listener, asked } of predecessor?.takePassed() ?? []) this.#add(listener, asked);
    if (this.of('http').length > 0) this.#warnOfReplaced();
    else await this.#bind({ owner, predecessor });
    if (this.aside.length === 0) await this.#bindAside(predecessor);
    predecessor?.leaveRest();
    if (this.of('http').length === 0) throw new TricornError('TRC_NO_LISTENER');
  }

  /** TCP first, and that of evented_port last. */
  get all(): readonly Listener[] {
    const rank = (listener: Listener): number => (this.#isAside(listener) ? 2 : Number(!isTcp(listener)));
    return this.#open.toSorted((a, b) => rank(a) - rank(b));
  }

  /** Those of evented_port. */
  get aside(): readonly Listener[] {
    return this.all.filter((listener) => this.#isAside(listener));
  }

  /** What the workers of a role accept on: the one worker of the evented mode on all of them, cron workers on none. */
  of(role: Role): readonly Listener[] {
    if (role === 'cron') return [];
    return role === 'evented' ? this.all : this.all.filter((listener) => !this.#isAside(listener));
  }

  /** The URL to try from this machine; undefined where there is no TCP. */
  get url(): string | undefined {
    const tcp = this.of('http').find(isTcp);
    return tcp && localUrl(tcp.address);
  }

  /** For the log: ` on …`, or nothing where nothing is open. */
  describe(): string {
    const shown = this.all.map(
      (listener) => describeListener(listener) + (this.#isAside(listener) ? ' (evented)' : ''),
    );
    return shown.length === 0 ? '' : ` on ${shown.join(' and ')}`;
  }

  /** A unix socket whose file is another's by now: two that start at once cannot see each other when they bind. */
  lost(): TricornError | undefined {
    const lost = this.#open.find((listener) => listener.isLost?.());
    const reason = 'another process, or somebody by hand, has replaced or removed it in the meantime';
    return lost && new TricornError('TRC_SOCKET', { path: lost.shown, reason });
  }

  /** The supervisor's descriptors; those of the workers stay until they drain. */
  close(): void {
    for (const listener of this.#open.splice(0)) {
      if (listener.leave && this.#foreign.has(listener)) listener.leave();
      else listener.close();
    }
  }

  /** For the process that takes this one's place. */
  get handed(): HandedSocket[] {
    return this.all.map((listener) => ({ fd: listener.fd, asked: this.#askedOf(listener), file: listener.file }));
  }

  /** Of those that the process before has handed over with a file: what they were opened for. */
  get taken(): string[] {
    return [...this.#foreign].map((listener) => this.#askedOf(listener));
  }

  /** Another process has taken these over: their files are its own. */
  leave(taken: readonly string[]): void {
    for (const listener of this.#open) if (taken.includes(this.#askedOf(listener))) this.#foreign.add(listener);
  }

  /** The process before has let go of the files that this one has taken over. */
  own(): void {
    this.#foreign.clear();
  }

  async #bind({ owner, predecessor }: Pick<OpenOptions, 'owner' | 'predecessor'>): Promise<void> {
    const { http_interface, http_port, http_socket: path, http_socket_mode: mode } = this.#loaded.config;
    if (http_interface !== NO_INTERFACE) {
      const asked = `tcp ${http_interface}:${http_port}`;
      this.#add(predecessor?.take(asked)?.listener ?? (await bindListener(http_interface, http_port)), asked);
    }
    if (path === '') return;
    const asked = `unix ${path}`;
    this.#add(await this.#openUnix({ path, mode, owner }, predecessor?.take(asked)), asked);
  }

  async #bindAside(predecessor: OpenOptions['predecessor']): Promise<void> {
    const { http_interface, evented_port: port } = this.#loaded.config;
    if (port === 0) return;
    const host = http_interface === NO_INTERFACE ? LOOPBACK : http_interface;
    const asked = `${ASIDE}tcp ${host}:${port}`;
    this.#add(predecessor?.take(asked)?.listener ?? (await bindListener(host, port)), asked);
  }

  /** Its module is loaded only when asked for: the supervisor's memory is a budget. */
  async #openUnix(options: UnixSocketOptions, taken: Taken | undefined): Promise<Listener> {
    const { bindUnixSocket, refit } = await import('./unix-socket.ts');
    const listener = taken?.file && refit(taken.listener, taken.file, options);
    if (!listener) return bindUnixSocket(options);
    this.#foreign.add(listener);
    return listener;
  }

  #add(listener: Listener, asked: string): void {
    this.#open.push(listener);
    this.#asked.set(listener, asked);
  }

  #isAside(listener: Listener): boolean {
    const asked = this.#askedOf(listener);
    return asked.startsWith(ASIDE) || asked === `passed ${NAME_ASIDE}`;
  }

  #askedOf(listener: Listener): string {
    return this.#asked.get(listener) ?? '';
  }

  #adopt(passed: readonly Passed[]): void {
    for (const one of passed) {
      const listener = adopt(one);
      this.#add(listener, `passed ${one.name}`);
      this.#log.info({ fd: one.fd, name: one.name }, `Listens on ${listener.shown}, which was passed as ${one.name}`);
    }
  }

  #warnOfReplaced(): void {
    for (const key of REPLACED) {
      if (!explicit(this.#loaded, key)) continue;
      this.#log.warn(`${this.#loaded.origins[key].place}: ${key} is not used: LISTEN_FDS has passed sockets`);
    }
  }
}

function isTcp(listener: Listener): listener is TcpListener {
  return listener.kind === 'tcp';
}
