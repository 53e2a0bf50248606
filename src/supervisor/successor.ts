/**
 * The process that is to take this one's place: a new supervisor, as the old one sees it. Started by the same command, it
 * inherits the listening sockets, and a channel on which it says how far it is.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { CHANNEL_FD, describe, successorDecoder, type FromSuccessor, type HandedSocket } from './handover.ts';
import type { Command } from './same-command.ts';

/** What it takes besides boot_timeout: the start of the process, and the word of its workers' end, milliseconds. */
const MARGIN_MS = 10_000;

export interface SuccessorOptions extends Command {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly sockets: readonly HandedSocket[];
  /** How long it may take to be ready, seconds, until it says so itself. */
  readonly seconds: number;
}

/** It is ready and has taken these sockets, or why it is not. */
export type News = { readonly taken: readonly string[] } | Failure;

export interface Failure {
  readonly reason: string;
  /** Of the app's error, where it is one. */
  readonly stack?: string | undefined;
}

export class Successor {
  /** The first that is known. */
  readonly news: Promise<News>;
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  readonly #news: PromiseWithResolvers<News> = Promise.withResolvers<News>();
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;
  /** It has said that it will not get ready. */
  #ends = false;

  constructor({ file, args, folder, env, sockets, seconds }: SuccessorOptions) {
    this.news = this.#news.promise.finally(() => clearTimeout(this.#timer));
    this.#child = spawn(file, args, {
      cwd: folder,
      env: { ...env, ...describe(process.pid, sockets) },
      // In a session of its own: it must outlive this one.
      detached: true,
      stdio: ['inherit', 'inherit', 'inherit', 'pipe', ...sockets.map(({ fd }) => fd)],
    });
    this.#channel = this.#child.stdio[CHANNEL_FD] as Duplex;
    const decode = successorDecoder((message) => this.#onMessage(message));
    this.#channel.on('data', decode).on('error', () => {});
    this.#child.on('error', (error) => this.#onEnd(`could not be started: ${error.message}`));
    // What it has said last is read before: libuv takes signals, and SIGCHLD is one, after the reads of the same turn.
    this.#child.once('exit', (code, signal) => this.#onEnd(`ended by itself with ${endOf(code, signal)}`));
    this.#limit(seconds);
  }

  /** 0 where it could not even be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** It is not wanted any more. */
  giveUp(reason: string): void {
    this.#news.resolve({ reason });
  }

  /** It is the service from now on, and no concern of this process. */
  letGo(): void {
    this.#channel.destroy();
    this.#child.unref();
  }

  /** Asks it to end, and kills it where it does not. Resolves when it is gone. */
  async end(patienceMs: number): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    const timer = setTimeout(() => this.kill(), patienceMs);
    if (!this.#ends) this.#child.kill('SIGTERM');
    await ended;
    clearTimeout(timer);
  }

  kill(): void {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
  }

  #onMessage(message: FromSuccessor): void {
    if (message.type === 'ready') this.#news.resolve({ taken: message.taken });
    else if (message.type === 'failed') this.#onFailed(message.message, message.stack);
    else this.#limit(message.seconds);
  }

  #onEnd(reason: string): void {
    this.#hasEnded = true;
    this.#channel?.destroy();
    this.#news.resolve({ reason });
  }

  #onFailed(message: string, stack: string | undefined): void {
    this.#ends = true;
    this.#news.resolve({ reason: `will not be ready: ${message}`, stack });
  }

  #limit(seconds: number): void {
    clearTimeout(this.#timer);
    const ms = seconds * 1000 + MARGIN_MS;
    this.#timer = setTimeout(() => this.giveUp(`was not ready within ${ms / 1000} s`), ms);
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit code ${code}` : signal;
}
