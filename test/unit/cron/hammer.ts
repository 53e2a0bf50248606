/** Several real processes on one store, and what their jobs have written down: for both engines. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

export interface Line {
  readonly what: 'begin' | 'end';
  readonly worker: number;
  readonly name: string;
  readonly runId: number;
  readonly attempt: number;
  readonly tick: number;
  readonly at: number;
}

export interface HammerOptions {
  readonly db_url: string;
  readonly data_dir: string;
  readonly names: readonly string[];
  readonly workMs: number;
}

export class Hammer {
  readonly #t: Test;
  readonly #options: HammerOptions;
  readonly #ledger: string;
  readonly #children = new Map<number, ChildProcess>();

  /** @param folder of the test's own */
  constructor(t: Test, folder: string, options: HammerOptions) {
    this.#t = t;
    this.#options = options;
    this.#ledger = join(folder, 'ledger');
    writeFileSync(this.#ledger, '');
  }

  async start(number: number): Promise<void> {
    const { db_url, data_dir, names, workMs } = this.#options;
    const args = [db_url, data_dir, this.#ledger, String(number), names.join(','), String(workMs)];
    const child = fork(join(import.meta.dirname, 'hammer-worker.ts'), args);
    this.#children.set(number, child);
    this.#t.teardown(() => child.kill('SIGKILL'));
    await once(child, 'message');
  }

  async kill(number: number): Promise<void> {
    const child = this.#children.get(number);
    if (!child) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Lets all of them finish what they run. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#children.values()].map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.send('stop');
        await ended;
      }),
    );
  }

  lines(): Line[] {
    const text = readFileSync(this.#ledger, 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  }

  /** Resolves when the ledger is as it should be; told by the file, not by the clock. */
  async until(isDone: (lines: readonly Line[]) => boolean): Promise<void> {
    const watcher = watch(this.#ledger);
    try {
      while (!isDone(this.lines())) await once(watcher, 'change');
    } finally {
      watcher.close();
    }
  }
}

export const ends = (lines: readonly Line[]): Line[] => lines.filter(({ what }) => what === 'end');

/** Pairs of runs of a job in which one begins between the beginning and the end of another. */
export function overlaps(lines: readonly Line[]): string[] {
  const found: string[] = [];
  const going = new Map<string, number>();
  for (const { what, name, runId } of lines) {
    const current = going.get(name);
    if (what === 'begin') {
      // Fencing: a smaller number than one that was seen must not write any more.
      if (current !== undefined && runId <= current) found.push(`${name} ${runId} begins after ${current}`);
      going.set(name, runId);
    } else if (current !== runId) found.push(`${name} ${runId} ends while ${current} runs`);
  }
  return found;
}

/** Ticks of a job that are not there although they lie between two that are. */
export function gaps(lines: readonly Line[], name: string): number[] {
  const ticks = new Set(ends(lines).flatMap((line) => (line.name === name ? [line.tick] : [])));
  const [first, last] = [Math.min(...ticks), Math.max(...ticks)];
  const missing: number[] = [];
  for (let tick = first; tick <= last; tick += 1000) if (!ticks.has(tick)) missing.push(tick);
  return missing;
}

/** Ticks that were run to their end more than once. */
export function doubled(lines: readonly Line[]): string[] {
  const seen = new Set<string>();
  return ends(lines).flatMap(({ name, tick }) => {
    const key = `${name} ${tick}`;
    if (seen.has(key)) return [key];
    seen.add(key);
    return [];
  });
}
