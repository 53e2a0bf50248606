/**
 * Pure: whether one event loop is stuck, from what is seen of it at regular moments. After Odoo's process_timeout and
 * gunicorn's murder_workers, with two differences: CPU time is told from mere silence, and time in which the watcher
 * itself did not run (the machine slept, somebody sent STOP) counts as one look, however long it was.
 */
import { beatEvery } from './limits.ts';

export interface WatchLimits {
  /** CPU milliseconds burnt without a beat: limit_time_cpu. Infinity = off. */
  readonly cpuMs: number;
  /** Milliseconds without a beat, whatever the reason: limit_time_real. Infinity = off. */
  readonly realMs: number;
  /** The setting that says so. */
  readonly realSetting: 'limit_time_real' | 'limit_time_real_cron';
}

/** What is seen of the loop at one moment. */
export interface Sight {
  /** Milliseconds of a clock that only grows. */
  readonly now: number;
  /** Changes as long as the loop turns. */
  readonly beats: number;
  /** CPU milliseconds that the loop has used since it started. */
  readonly cpuMs: number;
}

export interface Verdict {
  /** The setting whose limit is exceeded; undefined = the loop is well. */
  readonly exceeded: 'limit_time_cpu' | WatchLimits['realSetting'] | undefined;
  readonly silentMs: number;
  readonly burntMs: number;
}

export class LoopWatch {
  #limits: WatchLimits;
  #everyMs: number;
  #last: Sight;
  #silentMs = 0;
  #cpuAtBeat: number;

  /** @param everyMs how often look() is called; a gap of three times that means that the watcher slept */
  constructor(limits: WatchLimits, everyMs: number, first: Sight) {
    this.#limits = limits;
    this.#everyMs = everyMs;
    this.#last = first;
    this.#cpuAtBeat = first.cpuMs;
  }

  /**
   * Other limits from now on. What it has seen counts, but for a silence that the beats by the old limits explain: the loop may
   * be well, and has yet to hear of the new ones.
   */
  change(limits: WatchLimits, everyMs: number): void {
    if (this.#silentMs <= 2 * beatEvery(this.#limits)) {
      this.#silentMs = 0;
      this.#cpuAtBeat = this.#last.cpuMs;
    }
    this.#limits = limits;
    this.#everyMs = everyMs;
  }

  look(sight: Sight): Verdict {
    const passed = sight.now - this.#last.now;
    if (sight.beats !== this.#last.beats) {
      this.#silentMs = 0;
      this.#cpuAtBeat = sight.cpuMs;
    } else {
      // A watcher that slept has seen no more than one that looked in time. That much counts, though: on a machine that
      // takes the processor away again and again every look is late, and a stuck loop must be found all the same.
      this.#silentMs += passed < this.#everyMs * 3 ? passed : this.#everyMs;
    }
    this.#last = sight;
    const burntMs = sight.cpuMs - this.#cpuAtBeat;
    return { exceeded: this.#exceeded(burntMs), silentMs: this.#silentMs, burntMs };
  }

  #exceeded(burntMs: number): Verdict['exceeded'] {
    // Both must agree: CPU time that other threads of the process used is no sign of a loop that is silent only now.
    if (burntMs >= this.#limits.cpuMs && this.#silentMs >= this.#limits.cpuMs) return 'limit_time_cpu';
    return this.#silentMs >= this.#limits.realMs ? this.#limits.realSetting : undefined;
  }
}
