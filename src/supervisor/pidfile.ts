/** The pidfile: written once the port is ours, removed at the end if it still names us. Lives in the supervisor. */
import { execFileSync } from 'node:child_process';
import { fs } from '../builtins.ts';
import { TricornError } from '../errors.ts';
import { isAlive } from './probe.ts';

export class Pidfile {
  readonly #path: string;

  /** @param path '' = no pidfile */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param predecessor one that lives, and whose place this process takes
   * @throws TricornError TRC_PIDFILE where it names another supervisor that lives or cannot be written
   */
  write(predecessor?: number): void {
    if (this.#path === '') return;
    const stat = fs.statSync(this.#path, { throwIfNoEntry: false });
    if (stat && !stat.isFile()) throw this.#error('is no regular file');
    const holder = this.#read();
    if (
      holder !== undefined &&
      holder !== process.pid &&
      holder !== predecessor &&
      isAlive(holder) &&
      mayBeSupervisor(holder)
    ) {
      throw this.#error(`names process ${holder}, which is alive; stop it`);
    }
    // Written aside and renamed: a reader never sees half a number.
    const aside = `${this.#path}.${process.pid}`;
    try {
      fs.writeFileSync(aside, `${process.pid}\n`, { mode: 0o644 });
      fs.renameSync(aside, this.#path);
    } catch (error) {
      fs.rmSync(aside, { force: true });
      throw this.#error((error as NodeJS.ErrnoException).message, error);
    }
  }

  /** A file that cannot be removed is stale from now on, and the next start takes it over. */
  remove(): void {
    if (this.#path === '' || this.#read() !== process.pid) return;
    try {
      fs.rmSync(this.#path, { force: true });
    } catch {
      // The folder was taken away or made read-only: no reason to end otherwise than asked.
    }
  }

  #read(): number | undefined {
    try {
      // A device would be read without end.
      if (!fs.statSync(this.#path).isFile()) return undefined;
      const text = fs.readFileSync(this.#path, 'utf8').trim();
      return /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
    } catch {
      // Missing or unreadable: writing will tell.
      return undefined;
    }
  }

  #error(reason: string, cause?: unknown): TricornError {
    return new TricornError('TRC_PIDFILE', { path: this.#path, reason }, { cause });
  }
}

/**
 * Pids are given out again: whether this one still is a supervisor, by its title, or by its command line while it starts.
 * One that cannot be asked counts as one.
 */
function mayBeSupervisor(pid: number): boolean {
  const words = commandOf(pid);
  return words === undefined || words.some((word) => /^tricorn: supervisor\b|(^|\/)tricorn(\.js)?$/.test(word));
}

function commandOf(pid: number): string[] | undefined {
  try {
    if (fs.existsSync('/proc/self/cmdline')) return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const line = execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return [line, ...line.split(' ')];
  } catch {
    // Hidden from us (hidepid), or gone in this moment.
    return undefined;
  }
}
