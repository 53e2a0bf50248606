import type { Stats } from 'node:fs';
import { fs } from '../builtins.ts';
import { describe, LOGFILE_FLAGS, LOGFILE_MODE } from './destination.ts';
import type { Destination } from './destination.ts';

const INTERVAL = 1000;

/**
 * Notices that `logfile` was renamed away (logrotate) or removed, and opens it anew, as Python's WatchedFileHandler does;
 * but at most once a second, for a stat per line would cost more than the line.
 */
export class LogfileWatch {
  readonly #now: () => number;
  #checked: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#checked = now();
  }

  /** Whether it is time to look again. */
  due(destination: Destination): boolean {
    return destination.path !== '' && this.#now() - this.#checked >= INTERVAL;
  }

  /** Calls back with the destination to write to from now on: a new one, or the same. The caller closes the old one. */
  check(current: Destination, done: (next: Destination) => void): void {
    this.#checked = this.#now();
    fs.stat(current.path, (gone, named) => {
      if (!gone && sameFile(fs.fstatSync(current.fd), named)) return done(current);
      reopen(current, done);
    });
  }
}

/** Where the new file cannot be opened (folder gone, disk full), the old one serves on until the next look. */
function reopen(current: Destination, done: (next: Destination) => void): void {
  fs.open(current.path, LOGFILE_FLAGS, LOGFILE_MODE, (error, fd) => {
    done(error ? current : describe(fd, current.path));
  });
}

function sameFile(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}
