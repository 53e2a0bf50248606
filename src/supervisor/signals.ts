/**
 * What each signal means: one table for the supervisor, `--help` and the README. Meanings are Odoo's and gunicorn's.
 */
import { ownSignals } from '../own-signals.ts';

export type Action = 'stop' | 'reload' | 'upgrade' | 'scale-up' | 'scale-down' | 'dump-stacks' | 'log-statistics';

interface SignalRow {
  readonly signal: NodeJS.Signals;
  readonly action: Action;
  /** One line for help and docs. */
  readonly doc: string;
}

const signalTable: readonly SignalRow[] = [
  { signal: 'SIGINT', action: 'stop', doc: 'stop gracefully; a second INT or TERM ends everything at once' },
  { signal: 'SIGTERM', action: 'stop', doc: 'the same' },
  { signal: 'SIGHUP', action: 'reload', doc: 'reload: configuration and code are read anew, no request is lost' },
  { signal: 'SIGUSR2', action: 'upgrade', doc: 'upgrade: a new Node and Tricorn take over, no request is lost' },
  { signal: 'SIGTTIN', action: 'scale-up', doc: 'one worker (prefork) or thread (threaded) more' },
  { signal: 'SIGTTOU', action: 'scale-down', doc: 'one worker or thread less, never under 1' },
  { signal: 'SIGQUIT', action: 'dump-stacks', doc: 'log the JavaScript stacks of supervisor, workers and threads' },
  { signal: 'SIGUSR1', action: 'log-statistics', doc: 'log statistics of every worker and thread' },
];

/** The table in Markdown, for the README. */
export function renderSignals(): string {
  const rows = signalTable.map(({ signal, doc }) => `| ${signal.slice(3)} | ${doc} |`);
  return ['| signal | what it does |', '| --- | --- |', ...rows].join('\n');
}

/** The table for `--help`. */
export function signalHelp(): { name: string; summary: string }[] {
  return signalTable.map(({ signal, doc }) => ({ name: signal.slice(3), summary: doc }));
}

/** Those of a SignalQueue. */
const own = new WeakSet<() => void>();

/**
 * Nobody else in this process acts on the signals: what modules of --import or --require have added is removed, and so is what
 * they add later. The SDKs of tracers show a SIGTERM listener that exits, which would cut the requests of all workers. One
 * worker says so in the log. For a process that is the supervisor's alone, not for a program that runs one.
 */
export function listenAlone(): void {
  const isOurs = (listener: unknown): boolean => own.has(listener as () => void);
  ownSignals({ signals: signalTable.map(({ signal }) => signal), isOurs });
}

export interface ReceivedSignal {
  readonly signal: NodeJS.Signals;
  readonly action: Action;
}

/**
 * Signals only enqueue; the supervisor's tick takes them in the order of arrival (unicorn's SIG_QUEUE). `wake` is
 * called for each, so that the tick need not be waited for.
 */
export class SignalQueue {
  readonly #wake: () => void;
  readonly #queue: ReceivedSignal[] = [];
  readonly #listeners = new Map<NodeJS.Signals, () => void>();

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  install(): void {
    for (const { signal, action } of signalTable) {
      const listener = (): void => {
        this.#queue.push({ signal, action });
        this.#wake();
      };
      own.add(listener);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  uninstall(): void {
    for (const [signal, listener] of this.#listeners) {
      own.delete(listener);
      process.off(signal, listener);
    }
    this.#listeners.clear();
  }

  /** Takes all that arrived since the last call. */
  take(): ReceivedSignal[] {
    return this.#queue.splice(0);
  }
}
