/**
 * All listening sockets of the service, from the bind at its start to the close at its stop: those that were passed by
 * socket activation, else those that the settings ask for. Lives in the supervisor, which accepts on none but that of the
 * health port.
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

/** What one apart from http was opened for begins so, and a socket that is passed under this name takes its place. */
const APART = ['evented', 'health'] as const;
type Purpose = 'http' | (typeof APART)[number];

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

interface Apart extends Pick<OpenOptions, 'predecessor'> {
  readonly host: string;
  /** 0 = none. */
  readonly port: number;
}

export class Listeners {
  readonly #loaded: LoadedConfig;
  readonly #log: Logger;
  readonly #open: Listener[] = [];
  /** What each of them was opened for. */
  readonly #asked = new Map<Listener, string>();
  /** Their files, or who answers on them, are another process's: the one before, until it lets go, or the next one. */
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
    if (bind) {
      const { http_enable, health_interface, health_port } = this.#loaded.config;
      const isWanted = (name: string): boolean => http_enable || name === 'health';
      this.#adopt(passed.filter(({ name }) => isWanted(name)));
      for (const { listener, asked } of predecessor?.takePassed(isWanted) ?? []) this.#add(listener, asked, true);
      if (http_enable) await this.#openHttp({ owner, predecessor });
      if (!this.health) await this.#bindApart('health', { host: health_interface, port: health_port, predecessor });
    }
    predecessor?.leaveRest();
    if (bind && this.#loaded.config.http_enable && this.of('http').length === 0) {
      throw new TricornError('TRC_NO_LISTENER');
    }
  }

  /** TCP first, then unix sockets, that of evented_port, and that of the health port. */
  get all(): readonly Listener[] {
    const rank = (listener: Listener): number => {
      const purpose = this.#purposeOf(listener);
      return purpose === 'http' ? Number(!isTcp(listener)) : 2 + APART.indexOf(purpose);
    };
    return this.#open.toSorted((a, b) => rank(a) - rank(b));
  }

  /** Those of evented_port. */
  get aside(): readonly Listener[] {
    return this.all.filter((listener) => this.#purposeOf(listener) === 'evented');
  }

  /** That of the health port, where there is one. */
  get health(): Listener | undefined {
    return this.#open.find((listener) => this.#purposeOf(listener) === 'health');
  }

  /** Whether another process answers on it: the one before, until it lets go, or the next one. */
  get isHealthForeign(): boolean {
    return this.health !== undefined && this.#foreign.has(this.health);
  }

  /** What the workers of a role accept on: the one worker of the evented mode on all of them, cron workers on none. */
  of(role: Role): readonly Listener[] {
    if (role === 'cron') return [];
    const purposes: readonly Purpose[] = role === 'evented' ? ['http', 'evented'] : ['http'];
    return this.all.filter((listener) => purposes.includes(this.#purposeOf(listener)));
  }

  /** The URL to try from this machine; undefined where there is no TCP. */
  get url(): string | undefined {
    const tcp = this.of('http').find(isTcp);
    return tcp && localUrl(tcp.address);
  }

  /** For people: each with what it is for, where that is not http. */
  get shown(): string[] {
    return this.all.map((listener) => {
      const purpose = this.#purposeOf(listener);
      return describeListener(listener) + (purpose === 'http' ? '' : ` (${purpose})`);
    });
  }

  /** For the log: ` on …`, or nothing where nothing is open. */
  describe(): string {
    const { shown } = this;
    return shown.length === 0 ? '' : ` on ${shown.join(' and ')}`;
  }

  /** A unix socket whose file is another's by now: two that start at once cannot see each other when they bind. */
  lost(): TricornError | undefined {
    const lost = this.#open.find((listener) => listener.isLost?.());
    const reason = 'another process, or somebody by hand, has replaced or removed it in the meantime';
    return lost && new TricornError('TRC_SOCKET', { path: lost.shown, reason });
  }

  /** The supervisor's descriptors of what workers accept on; theirs stay until they drain. The health port answers on. */
  refuse(): void {
    this.#close(this.of('evented'));
  }

  /** All there are. */
  close(): void {
    this.#close(this.all);
  }

  #close(listeners: readonly Listener[]): void {
    for (const listener of listeners) {
      this.#open.splice(this.#open.indexOf(listener), 1);
      if (listener.leave && this.#foreign.has(listener)) listener.leave();
      else listener.close();
    }
  }

  /** For the process that takes this one's place. */
  get handed(): HandedSocket[] {
    return this.all.map((listener) => ({ fd: listener.fd, asked: this.#askedOf(listener), file: listener.file }));
  }

  /** Of those that are still the process's before, which has handed them over: what they were opened for. */
  get taken(): string[] {
    return [...this.#foreign].map((listener) => this.#askedOf(listener));
  }

  /** Another process has taken these over: their files, and who answers on them, are its own. */
  leave(taken: readonly string[]): void {
    for (const listener of this.#open) if (taken.includes(this.#askedOf(listener))) this.#foreign.add(listener);
  }

  /** The process before has let go of what this one has taken over. */
  own(): void {
    this.#foreign.clear();
  }

  async #openHttp({ owner, predecessor }: Pick<OpenOptions, 'owner' | 'predecessor'>): Promise<void> {
    if (this.of('http').length > 0) this.#warnOfReplaced();
    else await this.#bind({ owner, predecessor });
    const { http_interface, evented_port: port } = this.#loaded.config;
    const host = http_interface === NO_INTERFACE ? LOOPBACK : http_interface;
    if (this.aside.length === 0) await this.#bindApart('evented', { host, port, predecessor });
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

  async #bindApart(purpose: (typeof APART)[number], { host, port, predecessor }: Apart): Promise<void> {
    if (port === 0) return;
    const asked = `${purpose} tcp ${host}:${port}`;
    const taken = predecessor?.take(asked)?.listener;
    this.#add(taken ?? (await bindListener(host, port)), asked, taken !== undefined);
  }

  /** Its module is loaded only when asked for: the supervisor's memory is a budget. */
  async #openUnix(options: UnixSocketOptions, taken: Taken | undefined): Promise<Listener> {
    const { bindUnixSocket, refit } = await import('./unix-socket.ts');
    const listener = taken?.file && refit(taken.listener, taken.file, options);
    if (!listener) return bindUnixSocket(options);
    this.#foreign.add(listener);
    return listener;
  }

  /** @param taken over from the process before */
  #add(listener: Listener, asked: string, taken = false): void {
    this.#open.push(listener);
    this.#asked.set(listener, asked);
    if (taken && this.#purposeOf(listener) === 'health') this.#foreign.add(listener);
  }

  #purposeOf(listener: Listener): Purpose {
    const asked = this.#askedOf(listener);
    return APART.find((name) => asked.startsWith(`${name} `) || asked === `passed ${name}`) ?? 'http';
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
