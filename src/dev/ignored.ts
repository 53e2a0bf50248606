/** Which files and folders are not watched. Pure. */
import { basename, matchesGlob, relative, sep } from 'node:path';

/** What editors write beside the file that is edited, and what operating systems leave in folders. */
const SCRATCH: readonly RegExp[] = [
  /~$/,
  /\.sw[a-z]$/, // vim, .swp and its like
  /^4913$/, // vim tries whether it may write in a folder
  /^\.?#/, // emacs
  /\.tmp$/,
  /___jb_(tmp|old)___$/, // JetBrains
  /^\.DS_Store$/,
];

export interface IgnoreOptions {
  /** The folder that is watched. */
  readonly root: string;
  /** Of the setting watch_ignore. */
  readonly names: readonly string[];
  /** Absolute paths that the service itself writes; '' is none. What a rotation leaves beside them is meant, too. */
  readonly own: readonly string[];
}

/** Whether a path is left out, with all that is in it. Both are asked of each level: a parent is known not to be. */
export interface Ignored {
  folder(path: string): boolean;
  file(path: string): boolean;
}

export function ignored({ root, names, own }: IgnoreOptions): Ignored {
  const named = names.map((name) => matcher(name));
  const isNamed = (path: string): boolean => {
    const inside = relative(root, path).replaceAll(sep, '/');
    return named.some((matches) => matches(inside, basename(path)));
  };
  const owned = own.filter((path) => path !== '');
  const isOwn = (path: string): boolean => owned.some((one) => path === one || path.startsWith(`${one}.`));
  return {
    folder: (path) => {
      const name = basename(path);
      return name === 'node_modules' || name.startsWith('.') || isNamed(path);
    },
    file: (path) => SCRATCH.some((pattern) => pattern.test(basename(path))) || isOwn(path) || isNamed(path),
  };
}

type Matches = (inside: string, name: string) => boolean;

/** As in .gitignore: without a slash it is a name at any depth, with one a path from the watched folder. */
function matcher(text: string): Matches {
  const pattern = text.replace(/^\.?\//, '').replace(/\/+$/, '');
  if (pattern.includes('/') || text.startsWith('/')) return (inside) => matchesGlob(inside, pattern);
  return (_inside, name) => matchesGlob(name, pattern);
}
