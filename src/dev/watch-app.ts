/**
 * `dev = reload`: whatever is saved in the app's folder asks for a reload, the ordinary one. Lives in the supervisor, and is
 * loaded only there where it is asked for.
 */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { Logger } from '../log/supervisor-log.ts';
import type { Outcome } from '../supervisor/change.ts';
import type { Premises } from '../supervisor/launch.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { Circle } from './circle.ts';
import { Debounce } from './debounce.ts';
import { FolderTree } from './folder-tree.ts';
import { ignored } from './ignored.ts';
import { watchedFolder } from './root.ts';
import { Spares } from './spares.ts';

/** Of a burst so many files are named. */
const MOST_NAMED = 3;

export interface WatchAppOptions {
  readonly supervisor: Premises & Pick<Supervisor, 'current' | 'generations'>;
  readonly log: Logger;
  readonly reload: () => Promise<Outcome>;
}

export interface AppWatch {
  readonly spares: Spares;
  close(): void;
}

export function watchApp(options: WatchAppOptions): AppWatch {
  return new Watch(options);
}

class Watch implements AppWatch {
  readonly spares: Spares = new Spares();
  readonly #options: WatchAppOptions;
  readonly #debounce: Debounce;
  readonly #circle = new Circle(() => performance.now());
  #closed = false;
  #root = '';
  #tree: FolderTree | undefined;

  constructor(options: WatchAppOptions) {
    this.#options = options;
    this.#debounce = new Debounce({
      onBurst: (paths) => void this.#onBurst(paths),
      clock: () => performance.now(),
      schedule: (callback, ms) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    });
    this.#follow();
    this.#prepare();
  }

  close(): void {
    this.#closed = true;
    this.spares.end();
    this.#debounce.stop();
    this.#tree?.close();
  }

  async #onBurst(paths: readonly string[]): Promise<void> {
    const { log, reload } = this.#options;
    const what = named(paths, this.#root);
    log.info(`Changed: ${what}`);
    if (this.#circle.changed(what)) log.warn(`${what}: if the app writes that itself, name it in watch_ignore`);
    const { outcome } = await reload();
    this.#circle.reloaded();
    // A link that a deploy swaps may have led to another release.
    if (outcome === 'done' && !this.#closed) this.#follow();
    this.#prepare();
  }

  #prepare(): void {
    const { supervisor } = this.#options;
    if (!this.#closed) this.spares.prepare(supervisor.current, supervisor.generations.made + 1, supervisor);
  }

  /** Watches where the app is by now. */
  #follow(): void {
    const { supervisor, log } = this.#options;
    const { app, watch_ignore: names, logfile, pidfile, http_socket } = supervisor.current.config;
    const root = watchedFolder(app);
    if (root === this.#root) return;
    this.#tree?.close();
    this.#root = root;
    const tree = new FolderTree({
      root,
      ignored: ignored({ root, names, own: [logfile, pidfile, http_socket] }),
      onChange: (path) => this.#debounce.add(path),
      onLimit: (reason) => log.warn(limitMessage(root, reason)),
    });
    this.#tree = tree;
    const folders = tree.size === 1 ? '1 folder' : `${tree.size} folders`;
    log.info(`Watching ${root} (${folders})`);
  }
}

function limitMessage(root: string, reason: string): string {
  return (
    `Not all folders of ${root} are watched: ${reason}. What changes in the others is taken by HUP; name folders that ` +
    'need no watching in watch_ignore, or raise the limit'
  );
}

/** `app.ts, lib/users.ts and 12 more`; what an editor made and removed again only where there is nothing else. */
function named(all: readonly string[], root: string): string {
  const left = all.filter((path) => existsSync(path));
  const paths = left.length > 0 ? left : all;
  const names = paths.slice(0, MOST_NAMED).map((path) => relative(root, path) || '.');
  const more = paths.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
