/**
 * Watches a folder with all that is in it: one fs.watch() for each folder. Not its option `recursive`: what fails in there
 * later, as the system's limit of watches does, is thrown where nobody could catch it, and would end the supervisor; and
 * older versions of Node spend a watch on every file.
 */
import { type Dirent, type FSWatcher, type Stats, readdirSync, realpathSync, statSync, watch } from 'node:fs';
import { basename, join, sep } from 'node:path';
import type { Ignored } from './ignored.ts';

/** A tree with more folders than this is hardly what was meant, such as somebody's home. */
const MOST_FOLDERS = 10_000;
/** A root that was removed, as by a checkout, is looked for so often, milliseconds. */
const LOOK_FOR_ROOT_MS = 200;

export interface FolderTreeOptions {
  readonly root: string;
  readonly ignored: Ignored;
  /** A file or folder was made, written or removed: its path. */
  readonly onChange: (path: string) => void;
  /** Some folders are not watched: why. Called once. */
  readonly onLimit: (reason: string) => void;
  /** Watches one folder. Default: fs.watch. */
  readonly watch?: typeof watch;
}

export class FolderTree {
  readonly #options: FolderTreeOptions;
  /** By path. */
  readonly #watchers = new Map<string, FSWatcher>();
  /** Folders outside of the root that a link in it leads to, by the path of the link: each is watched once. */
  readonly #linked = new Map<string, string>();
  #isLimited = false;
  #looking: NodeJS.Timeout | undefined;

  constructor(options: FolderTreeOptions) {
    this.#options = options;
    this.#add(options.root);
  }

  /** How many folders are watched. */
  get size(): number {
    return this.#watchers.size;
  }

  close(): void {
    clearTimeout(this.#looking);
    this.#forget(this.#options.root);
  }

  #add(folder: string): void {
    if (this.#watchers.has(folder) || !this.#watch(folder)) return;
    // After the watch has begun: what is made meanwhile is seen twice rather than never.
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) this.#enter(path);
      else if (entry.isSymbolicLink() && statOf(path)?.isDirectory()) this.#enterLink(path);
    }
  }

  #enter(folder: string): void {
    if (!this.#options.ignored.folder(folder)) this.#add(folder);
  }

  /** A link that leads into the root again would go round in circles, and what it leads to is watched already. */
  #enterLink(path: string): void {
    const target = realPathOf(path);
    const known = [this.#options.root, ...this.#linked.values()];
    if (target === undefined || known.some((folder) => isWithin(target, folder))) return;
    this.#linked.set(path, target);
    this.#enter(path);
  }

  #watch(folder: string): boolean {
    if (this.#watchers.size >= MOST_FOLDERS) return this.#limit(`there are more than ${MOST_FOLDERS} folders`);
    try {
      const { watch: begin = watch } = this.#options;
      const watcher = begin(folder, { persistent: false }, (event, name) => this.#onEvent(folder, event, name));
      watcher.on('error', (error) => this.#onError(folder, error));
      this.#watchers.set(folder, watcher);
      return true;
    } catch (error) {
      this.#onError(folder, error as NodeJS.ErrnoException);
      return false;
    }
  }

  /** `rename` is what appeared or disappeared, `change` what was written. */
  #onEvent(folder: string, event: string, name: string | null): void {
    if (!this.#watchers.has(folder)) return;
    const path = name === null ? folder : join(folder, name);
    const stats = statOf(path);
    // A folder that was removed and made anew has the old one's path, but not its watch.
    if (event === 'rename') this.#forget(path);
    const { ignored, root, onChange } = this.#options;
    // A folder tells its own removal, or move, under its own name.
    if (!stats && folder === root && name === basename(root) && event === 'rename') return this.#lookForRoot();
    // What is gone may have been either.
    if (stats?.isDirectory() ? ignored.folder(path) : ignored.file(path) || (!stats && ignored.folder(path))) return;
    if (stats?.isDirectory()) {
      // Its mode or its times.
      if (this.#watchers.has(path)) return;
      if (isLink(path)) this.#enterLink(path);
      else this.#add(path);
    }
    onChange(path);
  }

  /** One that is gone by now, or that may not be read, is not missed. */
  #onError(folder: string, { code = '' }: NodeJS.ErrnoException): void {
    this.#forget(folder);
    if (code === 'ENOSPC') this.#limit('the limit of the system is reached (fs.inotify.max_user_watches)');
    else if (code === 'EMFILE') this.#limit('the limit of the system is reached (fs.inotify.max_user_instances)');
  }

  #limit(reason: string): false {
    if (!this.#isLimited) this.#options.onLimit(reason);
    this.#isLimited = true;
    return false;
  }

  #forget(folder: string): void {
    for (const [path, watcher] of this.#watchers) {
      if (!isWithin(path, folder)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of this.#linked.keys()) if (isWithin(path, folder)) this.#linked.delete(path);
  }

  /** Its parent is not watched: that may be /tmp. */
  #lookForRoot(): void {
    const { root, onChange } = this.#options;
    this.#forget(root);
    clearTimeout(this.#looking);
    if (statOf(root)) {
      this.#add(root);
      onChange(root);
    } else this.#looking = setTimeout(() => this.#lookForRoot(), LOOK_FOR_ROOT_MS).unref();
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function isLink(path: string): boolean {
  const real = realPathOf(path);
  return real !== undefined && real !== path;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
