/** A server whose log is read line by line, for benchmarks that wait for what it says. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Line {
  readonly level: number;
  readonly msg: string;
}

const running = new Set<ChildProcess>();

/** For an interrupted benchmark: workers end with their supervisor. */
export function killAllWatched(): void {
  for (const child of running) child.kill('SIGKILL');
}

export class Watched {
  readonly lines: Line[] = [];
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly #listeners = new Set<(line: Line) => void>();

  private constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(this.child);
    this.ended = once(this.child, 'close').finally(() => running.delete(this.child));
    createInterface({ input: this.child.stdout! }).on('line', (text) => {
      const line = JSON.parse(text) as Line;
      this.lines.push(line);
      for (const listener of this.#listeners) listener(line);
    });
  }

  /** Resolves when it is ready. @param args of node: the command and its flags */
  static async start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Watched> {
    const kept = Object.entries(process.env).filter(([key]) => !/^(TRICORN_|NODE_)/.test(key));
    const server = new Watched(args, { ...Object.fromEntries(kept), ...env });
    await server.line(/^Ready/);
    return server;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get url(): string {
    return /http:\/\/\S+/.exec(this.lines.find(({ msg }) => msg.startsWith('Ready'))?.msg ?? '')?.[0] ?? '';
  }

  /** Resolves with the next line that matches. @throws Error where it ends first */
  async line(match: RegExp): Promise<Line> {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const listener = (line: Line): void => {
      if (match.test(line.msg)) resolve(line);
    };
    this.#listeners.add(listener);
    void this.ended.then(() => reject(new Error(`it ended before it said ${String(match)}`)));
    return promise.finally(() => this.#listeners.delete(listener));
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ended;
  }
}
