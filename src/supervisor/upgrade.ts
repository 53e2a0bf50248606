/**
 * An upgrade of Tricorn or Node: a new supervisor is started by the same command and given the listening sockets; when its
 * generation serves, this one drains and ends. One that does not get so far goes, and this one stays. The other side of it
 * is predecessor.ts, what they say to each other handover.ts.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { logError, toWireError, TricornError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Outcome } from './change.ts';
import { sameCommand } from './same-command.ts';
import { Successor, type Failure } from './successor.ts';
import type { Supervisor } from './supervisor.ts';

/** A process that was asked to end gets this much longer than graceful_timeout, milliseconds. */
const KILL_GRACE_MS = 5000;
const NOT_NEEDED: Failure = { reason: 'is not needed: the service stops' };
/** Those end, and the container with them, as soon as the process that they have started ends. */
const CONTAINER_INITS = ['tini', 'docker-init', 'dumb-init', 'catatonit'];

export interface UpgradeOptions {
  readonly log: Logger;
  readonly supervisor: Pick<
    Supervisor,
    'state' | 'current' | 'listeners' | 'folder' | 'manager' | 'handOver' | 'takeBack' | 'tellChange'
  >;
}

/** What decides whether it can be tried at all. */
export interface Circumstances {
  readonly pid: number;
  readonly ppid: number;
  /** The name of process 1. */
  readonly init: string;
  readonly config: Pick<Config, 'stop_after_init' | 'test_file'>;
}

/** Why an upgrade is not even tried; undefined where it is. */
export function whyNot({ pid, ppid, init, config }: Circumstances): string | undefined {
  const instead = 'start a new container beside it instead (docs/reload.md)';
  if (pid === 1) return `this is process 1, and its container would end with it: ${instead}`;
  if (ppid === 1 && CONTAINER_INITS.includes(init)) {
    return `${init}, process 1, would end the container with this process: ${instead}`;
  }
  if (config.stop_after_init || config.test_file !== '') return 'stop_after_init and test_file are no service';
  return undefined;
}

export class Upgrade {
  readonly #log: Logger;
  readonly #supervisor: UpgradeOptions['supervisor'];
  #successor: Successor | undefined;

  constructor({ log, supervisor }: UpgradeOptions) {
    this.#log = log;
    this.#supervisor = supervisor;
  }

  /** The service stops: so does the new process. */
  stop(): void {
    this.#successor?.giveUp(NOT_NEEDED.reason);
  }

  /** This process ends at once. */
  kill(): void {
    this.#successor?.kill();
  }

  /** Resolves when it is decided, and where it failed, the new process is gone. */
  async run(): Promise<Outcome> {
    const { config } = this.#supervisor.current;
    const refusal = whyNot({ pid: process.pid, ppid: process.ppid, init: initName(), config });
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#supervisor.tellChange('begins');
    const successor = this.#start();
    const news = await successor.news;
    if ('reason' in news) return this.#failed(successor, news);
    // While it may still say so: a service manager need not heed any process but the one that it knows.
    await this.#supervisor.manager.tellMainPid(successor.pid);
    if (this.#supervisor.state !== 'serving') return this.#failed(successor, NOT_NEEDED);
    if (successor.hasEnded) return this.#failed(successor, { reason: 'ended before it was let on' });
    const text = `process ${successor.pid} is the service now; this one drains and ends`;
    this.#log.info({ successor: successor.pid }, `Upgrade: ${text}`);
    successor.letGo();
    this.#successor = undefined;
    this.#supervisor.handOver(successor.pid, news.taken);
    const { generation } = this.#supervisor.current;
    return { outcome: 'done', text, generation, successor: successor.pid };
  }

  #start(): Successor {
    const { folder, current, listeners, manager } = this.#supervisor;
    const { argv0, execPath, execArgv, argv, env } = process;
    const command = sameCommand({
      argv0,
      execPath,
      execArgv,
      argv,
      cwd: process.cwd(),
      folder,
      path: env['PATH'] ?? '',
    });
    const successor = new Successor({
      ...command,
      folder,
      env: { ...env, ...manager.environment },
      sockets: listeners.handed,
      seconds: current.config.boot_timeout,
    });
    this.#successor = successor;
    const who = successor.pid === 0 ? 'a process' : `process ${successor.pid}`;
    this.#log.info(
      { successor: successor.pid },
      `Upgrade: ${who} starts: ${[command.file, ...command.args].join(' ')}`,
    );
    return successor;
  }

  #refuse(reason: string): Outcome {
    const text = `Upgrade refused: ${reason}`;
    this.#log.warn(text);
    return { outcome: 'refused', text };
  }

  async #failed(successor: Successor, { reason, stack = '' }: Failure): Promise<Outcome> {
    await this.#end(successor, reason);
    if (this.#supervisor.state !== 'serving') return { outcome: 'refused', text: 'The service stops' };
    this.#supervisor.takeBack();
    const who = successor.pid === 0 ? 'it' : `process ${successor.pid}`;
    const error = { ...toWireError(new TricornError('TRC_UPGRADE', { reason: `${who} ${reason}` })), stack };
    const text = `Upgrade failed, generation ${this.#supervisor.current.generation} serves on`;
    logError(this.#log, error, `${text}: `, 'error');
    return { outcome: 'failed', text, error };
  }

  async #end(successor: Successor, reason: string): Promise<void> {
    if (!successor.hasEnded) {
      this.#log.info({ successor: successor.pid }, `Upgrade: process ${successor.pid} is ended: it ${reason}`);
      await successor.end(this.#supervisor.current.config.graceful_timeout * 1000 + KILL_GRACE_MS);
      this.#log.info({ successor: successor.pid }, `Upgrade: process ${successor.pid} has ended`);
    }
    this.#successor = undefined;
  }
}

/** '' where the system does not tell. */
function initName(): string {
  try {
    return readFileSync('/proc/1/comm', 'utf8').trim();
  } catch {
    return '';
  }
}
