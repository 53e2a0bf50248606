/**
 * Changes of a running service: one at a time, in the order in which they were asked for. A change that needs new workers
 * starts a generation beside the one that serves, and only when every worker of it is ready does the old one drain
 * (HAProxy's and nginx's order); one that fails leaves the old one as it was.
 */
import { availableParallelism } from 'node:os';
import type { CommonServer, ServerOptions } from '../common-server.ts';
import { logError, toWireError, TricornError, type WireError } from '../errors.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { roll } from '../roster/rolling.ts';
import type { ChangeRequest, LastChange, Outcome, Progress } from './change.ts';
import { freeze } from './releases.ts';
import { renewable, renewThreads } from './renew-threads.ts';
import { keepWhatNeedsRestart, withMode } from './restart-settings.ts';
import type { Supervisor } from './supervisor.ts';
import type { Trial } from './trial.ts';
import { trialOf } from './on-demand.ts';
import type { Upgrade, UpgradeOptions } from './upgrade.ts';
import { closed } from './worker-handle.ts';

/** Less and the reload is left to end by itself, which is quicker than to begin anew. Milliseconds. */
const LONG_BOOT_MS = 1000;

type OnProgress = (progress: Progress) => void;

interface Asked {
  readonly request: ChangeRequest;
  readonly outcome: PromiseWithResolvers<Outcome>;
  /** Of all who wait for it. */
  readonly onProgress: OnProgress[];
}

export interface ChangesOptions {
  readonly log: Logger;
  readonly supervisor: Pick<
    Supervisor,
    'state' | 'current' | 'boot' | 'generations' | 'tellChange' | 'wake' | 'clock'
  > &
    UpgradeOptions['supervisor'];
}

export class Changes {
  readonly #log: Logger;
  readonly #supervisor: ChangesOptions['supervisor'];
  readonly #waiting: Asked[] = [];
  #running: Asked | undefined;
  /** The generation that boots. */
  #next: CommonServer | undefined;
  #upgrade: Upgrade | undefined;
  /** Of a reload with a canary. */
  #trial: Trial | undefined;
  /** What a rollback goes back to. */
  #before: LoadedConfig | undefined;
  #told = '';
  /** Since when it boots, by the supervisor's clock. */
  #bootsSince = 0;
  /** What the reload that runs does not change, in words. */
  #kept: string[] = [];
  #last: LastChange | undefined;

  constructor({ log, supervisor }: ChangesOptions) {
    this.#log = log;
    this.#supervisor = supervisor;
  }

  /** The last that was decided. */
  get last(): LastChange | undefined {
    return this.#last;
  }

  /** The service does not end before this is decided. */
  get isUpgrading(): boolean {
    return this.#upgrade !== undefined;
  }

  /** This process ends at once. */
  kill(): void {
    this.#upgrade?.kill();
  }

  /**
   * Resolves when it is decided. Reloads that wait are one: whatever the configuration is when its turn comes, the last
   * one wins. So are upgrades, and recycles of the same worker, with the one that runs, too: an upgrade cannot be told from
   * its echo, and whoever names a worker means the one that he has seen, not its replacement.
   */
  request(request: ChangeRequest, onProgress: OnProgress = () => {}): Promise<Outcome> {
    const running = this.#running?.request.command === 'reload' ? undefined : this.#running;
    const asked = [...this.#waiting, ...(running ? [running] : [])];
    const same = asked.find((other) => isOne(other.request, request));
    if (same) {
      if (same === running) this.#log.info(`${sentence(request.command)}: one runs already`);
      same.onProgress.push(onProgress);
      return same.outcome.promise;
    }
    if (this.#running) this.#log.info(`${request.command}: waits for the ${this.#running.request.command} that runs`);
    const outcome = Promise.withResolvers<Outcome>();
    this.#waiting.push({ request, outcome, onProgress: [onProgress] });
    this.#supervisor.wake();
    return outcome.promise;
  }

  /**
   * A reload for code that has changed again. One that is under way and boots for long by now is given up: it may hang, and what
   * it boots is out of date.
   */
  reloadAnew(): Promise<Outcome> {
    const ms = this.#supervisor.clock() - this.#bootsSince;
    if (ms > LONG_BOOT_MS) this.#next?.giveUp(toWireError(new TricornError('TRC_SUPERSEDED', {})));
    return this.request({ command: 'reload' });
  }

  /** Its part of the supervisor's tick. */
  step(): void {
    const { state } = this.#supervisor;
    if (state === 'stopping') for (const asked of this.#waiting.splice(0)) asked.outcome.resolve(STOPPING);
    if (state === 'stopping') this.#upgrade?.stop();
    if (this.#next) this.#follow(this.#next);
    if (state === 'serving' && !this.#running) void this.#begin();
  }

  async #begin(): Promise<void> {
    const asked = this.#waiting.shift();
    if (!asked) return;
    this.#running = asked;
    const { command } = asked.request;
    const outcome = await this.#run(asked.request).catch((error: unknown) => this.#failed(command, toWireError(error)));
    this.#last = { command, at: new Date().toISOString(), ...outcome };
    this.#running = undefined;
    asked.outcome.resolve(outcome);
    this.#supervisor.wake();
  }

  /** Throws what keeps a change from being tried at all. */
  async #run(request: ChangeRequest): Promise<Outcome> {
    const { current } = this.#supervisor;
    switch (request.command) {
      case 'reload':
        return request.live === true ? this.#adjust(current) : this.#reload(current);
      case 'upgrade':
        return this.#runUpgrade();
      case 'rollback':
        return this.#before ? this.#replace(this.#before, 'rollback') : refused('There is no earlier generation');
      case 'mode':
        return this.#replace(withMode(current.loaded, request, availableParallelism()), 'change of mode');
      case 'scale':
        return (await population()).scale(current, request.count);
      case 'recycle':
        return (await population()).recycle(current, request.worker);
    }
  }

  #reload(current: CommonServer): Promise<Outcome> {
    const fresh = current.options.reread?.() ?? current.loaded;
    const { loaded, kept } = keepWhatNeedsRestart(fresh, current.loaded);
    for (const warning of [...kept, ...fresh.warnings]) this.#log.warn(warning);
    this.#kept = [...kept];
    return this.#replace(loaded, 'reload');
  }

  /** Its module is loaded only when asked for, as is that of an upgrade. */
  async #adjust(current: CommonServer): Promise<Outcome> {
    const fresh = current.options.reread?.() ?? current.loaded;
    const { liveChange } = await import('./live-settings.ts');
    // What a generation runs has its links resolved: the same release is no change.
    const { loaded, changed, applied, forReload, forRestart, overridden } = liveChange(
      current.loaded,
      freeze(fresh).loaded,
    );
    for (const warning of fresh.warnings) this.#log.warn(warning);
    current.adjust(loaded, changed);
    current.options.setLogLevel?.(loaded.config.log_level);
    const refusal = await (await population()).populate(current, changed);
    if (refusal) return refusal;
    const parts = [applied.join(', ') || 'no live setting differs', ...overridden];
    if (forReload.length > 0) parts.push(`for a reload without --live: ${forReload.join(', ')}`);
    if (forRestart.length > 0) parts.push(`for a restart: ${forRestart.join(', ')}`);
    const text = parts.join('; ');
    this.#log.info({ generation: current.generation }, `Live settings: ${text}`);
    return { outcome: 'done', text, generation: current.generation };
  }

  /** Its module is loaded only when asked for: the supervisor's memory is a budget. */
  async #runUpgrade(): Promise<Outcome> {
    const { Upgrade } = await import('./upgrade.ts');
    if (this.#supervisor.state !== 'serving') return STOPPING;
    this.#upgrade = new Upgrade({ log: this.#log, supervisor: this.#supervisor });
    try {
      const outcome = await this.#upgrade.run();
      if (outcome.outcome === 'done' && outcome.successor !== undefined) this.#passOn(outcome.successor);
      return outcome;
    } finally {
      this.#upgrade = undefined;
    }
  }

  /** What was asked for while the other process booted is asked of it. */
  #passOn(pid: number): void {
    const { generation } = this.#supervisor.current;
    for (const { request, outcome } of this.#waiting.splice(0)) {
      const text = `process ${pid} is the service now`;
      if (request.command !== 'reload') outcome.resolve(refused(`${text}: ask it`));
      else {
        this.#log.info(`reload: is asked of process ${pid}`);
        process.kill(pid, 'SIGHUP');
        outcome.resolve({ outcome: 'done', text: `${text}, and was asked to reload`, generation, successor: pid });
      }
    }
  }

  async #replace(loaded: LoadedConfig, what: string): Promise<Outcome> {
    const old = this.#supervisor.current;
    const next = await successor(loaded, old);
    // A rollback is to be quick.
    const trial = what === 'reload' ? await this.#trialOf(next, old) : undefined;
    if (this.#supervisor.state !== 'serving') return STOPPING;
    this.#trial = trial;
    this.#log.info({ generation: next.generation }, `${sentence(what)}: ${next.describe()} starts`);
    this.#supervisor.tellChange('begins');
    this.#next = next;
    this.#bootsSince = this.#supervisor.clock();
    this.#told = '';
    // Before its first tick.
    this.#follow(next);
    const error = await this.#boot(next, old);
    this.#next = undefined;
    const wasTried = this.#trial !== undefined;
    this.#trial?.close();
    this.#trial = undefined;
    old.limit = Infinity;
    if (this.#supervisor.state !== 'serving') return STOPPING;
    this.#supervisor.tellChange('is over');
    if (error && wasTried) await closed(next.handles);
    if (error) return this.#failed(what, error);
    this.#before = old.loaded;
    this.#supervisor.generations.promote(next);
    next.options.setLogLevel?.(next.config.log_level);
    // Who asks after that, on a connection of his own, is answered by the new one.
    await Promise.all([next.publish(), closed(old.handles)]);
    const kept = this.#kept.splice(0).map((warning) => `; ${warning}`);
    const text = `generation ${next.generation} serves, ${next.describe()}, ${next.form}${kept.join('')}`;
    this.#log.info({ generation: next.generation }, `${sentence(what)}: ${text}`);
    return { outcome: 'done', text, generation: next.generation };
  }

  #trialOf(next: CommonServer, old: CommonServer): Promise<Trial | undefined> {
    const { clock } = this.#supervisor;
    return trialOf({ next, old, log: this.#log, clock, onJudged: () => this.#follow(next) });
  }

  /** Beside the old one; in its very process, thread by thread, where that is asked for and can be. */
  async #boot(next: CommonServer, old: CommonServer): Promise<WireError | undefined> {
    if (this.#trial || !renewable(next, old)) return this.#supervisor.boot(next);
    const error = await renewThreads(next, old);
    if (error) return error;
    const booted = this.#supervisor.boot(next);
    // The stop that came meanwhile has not seen this generation.
    if (this.#supervisor.state !== 'serving') next.drain();
    return booted;
  }

  /** While the next generation boots: says how far it is, and in a rolling reload lets it go on. */
  #follow(next: CommonServer): void {
    const { current } = this.#supervisor;
    const ready = next.workers.ready.length;
    const wanted = next.staff;
    if (next.onTrial) this.#trial?.step();
    else if (next.config.reload_strategy === 'surge') next.limit = Infinity;
    else {
      const limits = roll({ ready, wanted, old: current.staff });
      next.limit = limits.next;
      current.limit = limits.old;
    }
    const text = this.#trial?.text ?? '';
    const told = `${ready}/${wanted}/${next.limit}/${text}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#log.debug({ generation: next.generation }, `Workers ready ${ready}/${wanted}`);
    for (const onProgress of this.#running?.onProgress ?? []) onProgress({ ready, wanted, text });
    this.#supervisor.wake();
  }

  #failed(what: string, error: WireError): Outcome {
    const serves = `generation ${this.#supervisor.current.generation} serves on`;
    logError(this.#log, error, `${sentence(what)} failed, ${serves}: `, 'error');
    this.#kept = [];
    return { outcome: 'failed', text: serves, error };
  }
}

const STOPPING: Outcome = refused('The service stops');

/** Loaded only when asked for, too. */
function population(): Promise<typeof import('./population.ts')> {
  return import('./population.ts');
}

/** Whether it is enough to do it once for both. */
function isOne(one: ChangeRequest, other: ChangeRequest): boolean {
  if (one.command === 'reload') return other.command === 'reload' && one.live === other.live;
  if (one.command === 'recycle') return other.command === 'recycle' && String(one.worker) === String(other.worker);
  return one.command === 'upgrade' && other.command === 'upgrade';
}

function refused(text: string): Outcome {
  return { outcome: 'refused', text };
}

/** A server of the same supervisor for another generation. */
async function successor(loaded: LoadedConfig, old: CommonServer): Promise<CommonServer> {
  const options = { ...old.options, successorOf: old };
  if (old.options.select) return old.options.select(loaded, options);
  const Same = old.constructor as new (loaded: LoadedConfig, options: ServerOptions) => CommonServer;
  return new Same(loaded, options);
}

function sentence(what: string): string {
  return what.charAt(0).toUpperCase() + what.slice(1);
}
