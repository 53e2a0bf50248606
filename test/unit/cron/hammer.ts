/** Several real processes on one store, and what their jobs have written down: for both engines. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { RunLine } from '../../support/machines/lines.ts';

export interface Line extends RunLine {
  readonly worker: number;
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
