/** Which folder is watched: the app's package. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

/**
 * The nearest folder above the app with a package.json: templates, .env and shared code are seldom beside src/app.ts.
 * Without one it is the app's own folder; so it is where the way down to the app leads through what is never watched.
 *
 * @param app absolute, links resolved
 */
export function watchedFolder(app: string, exists: (path: string) => boolean = existsSync): string {
  const own = dirname(app);
  for (let folder = own; ; folder = dirname(folder)) {
    const down = relative(folder, own).split(sep);
    if (down.some((name) => name === 'node_modules' || name.startsWith('.'))) return own;
    if (exists(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) return own;
  }
}
