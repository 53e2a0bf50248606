/**
 * The connections of one event loop that HTTP has let go: websockets, and whatever else a client may upgrade to. Lives where
 * the app lives. Each is named at the end of a drain that had to cut it; websockets are asked to close before that.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { CloseCode } from '../http/websocket-frames.ts';
import { Websocket, type Closing } from './websocket.ts';

/** How long a client has to answer a close frame, milliseconds; less where graceful_timeout is short. */
const ANSWER_MS = 3000;
/** As much of a URL, and of what a client calls its protocol, is named. */
const LONGEST_URL = 240;
const LONGEST_PROTOCOL = 40;

interface Upgraded {
  /** `GET /path` */
  readonly text: string;
  /** As the client calls it: `websocket`, `h2c`. */
  readonly protocol: string;
  /** performance.now() */
  readonly begun: number;
  readonly websocket: Websocket | undefined;
}

export interface ClosingOptions {
  readonly code: CloseCode;
  /** ws_drain_spread, milliseconds. */
  readonly spreadMs: number;
  /** graceful_timeout, milliseconds. */
  readonly limitMs: number;
}

/** Node asks it, for requests with an Upgrade header alone, whether they leave HTTP. */
type UpgradingServer = Server & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean };

export class Upgrades {
  readonly #open = new Map<Socket, Upgraded>();
  #closing: Closing | undefined;

  /**
   * Sees every upgrade from now on, before the app does. Not by a listener for 'upgrade': a server that has none answers
   * such requests as any other, and there are apps that count them. Node documents this as an option of createServer();
   * the server may be the app's.
   */
  watch(server: UpgradingServer): void {
    const decide = server.shouldUpgradeCallback;
    server.shouldUpgradeCallback = (request) => {
      const upgrades = decide ? decide.call(server, request) : server.listenerCount('upgrade') > 0;
      if (upgrades) this.#onUpgrade(request);
      return upgrades;
    };
  }

  has(socket: Socket): boolean {
    return this.#open.has(socket);
  }

  /** `GET /path (websocket, 12.3 s)`, the oldest first. */
  names(): string[] {
    const now = performance.now();
    return [...this.#open.values()].map(({ text, protocol, begun }) => {
      return `${text} (${protocol}, ${((now - begun) / 1000).toFixed(1)} s)`;
    });
  }

  /** Closes all websockets, not all at once; those to come, on connections that are open, as soon as they are made. */
  close({ code, spreadMs, limitMs }: ClosingOptions): void {
    const websockets = [...this.#open].flatMap(([socket, { websocket }]) => (websocket ? { socket, websocket } : []));
    const { answerMs, times } = planClosing(websockets.length, spreadMs, limitMs);
    const closing: Closing = { code, answerMs };
    this.#closing = closing;
    websockets.forEach(({ socket, websocket }, index) => {
      const afterMs = times[index] ?? 0;
      if (afterMs === 0) return websocket.close(closing);
      const timer = setTimeout(() => websocket.close(closing), afterMs);
      socket.once('close', () => clearTimeout(timer));
    });
  }

  /** What it keeps is no part of the request, which may be much larger, and which the app may have let go long ago. */
  #onUpgrade({ socket, method = '', url = '', headers }: IncomingMessage): void {
    if (this.#open.has(socket)) return;
    const protocol = (headers.upgrade ?? '').trim().slice(0, LONGEST_PROTOCOL);
    const websocket = protocol.toLowerCase() === 'websocket' ? new Websocket(socket) : undefined;
    const text = `${method} ${url.slice(0, LONGEST_URL)}`;
    this.#open.set(socket, { text, protocol, begun: performance.now(), websocket });
    socket.once('close', () => this.#open.delete(socket));
    if (this.#closing) websocket?.close(this.#closing);
  }
}

interface ClosingPlan {
  /** How long each client has for its answer, milliseconds. */
  readonly answerMs: number;
  /** When each is closed, milliseconds from now. */
  readonly times: readonly number[];
}

/** Evenly spread, the first at once, so that one alone need not wait, and the last early enough for its client's answer. */
export function planClosing(count: number, spreadMs: number, limitMs: number): ClosingPlan {
  const answerMs = Math.min(ANSWER_MS, limitMs / 2);
  const windowMs = Math.min(spreadMs, limitMs - answerMs);
  return { answerMs, times: Array.from({ length: count }, (_, index) => (windowMs * index) / count) };
}
