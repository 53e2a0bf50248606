/**
 * Reads the ini file. What the values are is decided by `ini`; a line scanner beside it knows the line of each key and
 * sees what `ini` passes over: duplicates, keys outside a section, unknown sections, lines that are neither.
 */
import ini from 'ini';
import { fs } from '../builtins.ts';
import { nearest } from './nearest.ts';
import { showPath, showText } from './show.ts';

/** A key of the [options] section. */
export interface IniEntry {
  readonly name: string;
  readonly line: number;
  /** What `ini` makes of it: text, true, false, null, a list for `key[]`, or what a quoted piece of JSON yields. */
  readonly raw: unknown;
  /** There is no `=`. */
  readonly bare: boolean;
}

export interface IniFile {
  readonly options: readonly IniEntry[];
  /** The [app] section with [app.…] nested in it; plain objects, frozen. */
  readonly app: Readonly<Record<string, unknown>>;
  /** Each begins with `file:line`, in the order of lines. */
  readonly problems: readonly string[];
  /** False where nothing is known of its settings. */
  readonly readable: boolean;
}

/**
 * @param path where it is
 * @param name what messages call it: `tricorn.ini` in `tricorn.ini:12`
 * @param naming what a message on the whole file begins with, such as `--config=tricorn.ini`
 */
export function readIniFile(path: string, name: string, naming: string = name): IniFile {
  let bytes: Buffer;
  try {
    // A device would be read without end. A folder is told by readFileSync.
    const stat = fs.statSync(path);
    if (!stat.isFile() && !stat.isDirectory()) return unreadable(`${naming}: is no regular file: ${showPath(path)}`);
    bytes = fs.readFileSync(path);
  } catch (error) {
    return unreadable(`${naming}: ${whyUnreadable(error, path)}`);
  }
  const text = decode(bytes);
  if (text !== undefined) return parseIni(text, name);
  return unreadable(`${name}:${firstBadLine(bytes)} not UTF-8; save the file in that encoding`);
}

function unreadable(problem: string): IniFile {
  return { options: [], app: Object.freeze({}), problems: [problem], readable: false };
}

/** The text without its byte order mark; undefined where the bytes are not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** What a system error on `path` means, in words. */
export function whyUnreadable(error: unknown, path: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : error;
  const shown = showPath(path);
  if (code === 'ENOENT' || code === 'ENOTDIR') return `no such file: ${shown}`;
  if (code === 'EISDIR') return `is a folder, not a file: ${shown}`;
  if (code === 'EACCES' || code === 'EPERM') return `no permission to read ${shown}`;
  return `cannot be read: ${String(code)}: ${shown}`;
}

/** A line feed is never part of a longer character in UTF-8, so lines can be tried one by one. */
function firstBadLine(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const next = end === -1 ? bytes.length : end + 1;
    if (decode(bytes.subarray(start, next)) === undefined) return line;
    start = next;
  }
  return line;
}

/** @param name what messages call the file */
export function parseIni(text: string, name: string): IniFile {
  const scan = scanLines(text);
  const parsed = parse(text);
  const problems = [...scan.problems, ...(parsed === undefined ? unparsable(scan.problems) : [])]
    .toSorted((a, b) => a.line - b.line)
    .map((problem) => `${name}:${problem.line} ${problem.text}`);
  const values = section(parsed, 'options');
  const options = scan.entries
    .filter((entry) => entry.section === 'options')
    .map(({ key, line, bare }) => ({ name: key, line, bare, raw: values[key] }));
  return { options, app: plainSection(section(parsed, 'app')), problems, readable: parsed !== undefined };
}

/** `ini` throws where a section nests under a key: the scanner says so better, with the line. */
function parse(text: string): Record<string, unknown> | undefined {
  try {
    return ini.parse(text);
  } catch {
    return undefined;
  }
}

function unparsable(known: readonly Problem[]): Problem[] {
  return known.length > 0 ? [] : [{ line: 1, text: 'cannot be parsed as ini' }];
}

function section(parsed: Record<string, unknown> | undefined, name: string): Readonly<Record<string, unknown>> {
  const found = parsed?.[name];
  return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {};
}

/**
 * Copies what `ini` made, which has no prototype, to frozen plain objects. A key `__proto__` is left out (the scanner
 * reports it): an app that merges its options would change the prototype of the target.
 */
function plainSection(values: object): Readonly<Record<string, unknown>> {
  const entries = Object.entries(values).filter(([key]) => key !== '__proto__');
  return Object.freeze(Object.fromEntries(entries.map(([key, value]) => [key, plain(value)])));
}

function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? Object.freeze(value.map(plain)) : plainSection(value);
}

/** Whether a value, which quoted JSON may nest, has a key `__proto__` anywhere. */
function holdsProto(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, item]) => key === '__proto__' || holdsProto(item));
}

interface Problem {
  readonly line: number;
  /** What follows `file:line `. */
  readonly text: string;
}

interface Entry {
  readonly section: string;
  readonly key: string;
  readonly line: number;
  readonly bare: boolean;
}

interface Scan {
  readonly entries: readonly Entry[];
  readonly problems: readonly Problem[];
}

/** As `ini` reads a line: a section alone on it, or a key, with or without a value. */
const lineForm = /^\[([^\]]*)\]\s*$|^([^=]+)(=(.*))?$/;

function scanLines(text: string): Scan {
  const scanner = new Scanner();
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) scanner.read(line, index + 1);
  return { entries: scanner.entries, problems: [...scanner.problems, ...scanner.nestingConflicts()] };
}

class Scanner {
  readonly entries: Entry[] = [];
  readonly problems: Problem[] = [];
  /** By section, the line of its header. */
  readonly #headers = new Map<string, number>();
  /** By section and key. */
  readonly #keys = new Map<string, { readonly line: number; readonly list: boolean }>();
  /** undefined before the first section; null in one that cannot be read, whose keys are not reported on top. */
  #section: string | null | undefined;

  read(text: string, line: number): void {
    if (/^\s*([;#]|$)/.test(text)) return;
    const match = lineForm.exec(text);
    const [, header, key, assignment, value] = match ?? [];
    if (header !== undefined) this.#readHeader(nameOf(header), line);
    else if (/^\s*\[/.test(text)) this.#badHeader(text, line);
    else if (key === undefined) this.#problem(line, `${showText(text.trim())}: neither a [section] nor a key = value`);
    else {
      if (holdsProto(ini.unsafe(value ?? ''))) this.#problem(line, `${showText(key.trim())}: __proto__ is not allowed`);
      this.#readKey(nameOf(key), line, assignment === undefined);
    }
  }

  #problem(line: number, text: string): void {
    this.problems.push({ line, text });
  }

  /** `ini` takes `[app] ; comment` for a key. */
  #badHeader(text: string, line: number): void {
    this.#problem(
      line,
      `${showText(text.trim())}: a [section] begins its line and stands alone on it, without a comment`,
    );
    this.#section = null;
  }

  #readHeader(name: string, line: number): void {
    const earlier = this.#headers.get(name);
    this.#section = name;
    if (name.split('.').includes('__proto__')) this.#badSection(line, `[${showText(name)}]: this name is not allowed`);
    else if (name !== 'options' && name !== 'app' && !name.startsWith('app.')) {
      const meant = nearest(name, ['options', 'app']);
      const hint = meant === undefined ? 'allowed are [options], [app] and [app.…]' : `did you mean [${meant}]?`;
      this.#badSection(line, `[${showText(name)}]: unknown section; ${hint}`);
    } else if (earlier === undefined) this.#headers.set(name, line);
    else this.#problem(line, `[${showText(name)}]: duplicate section; the first is in line ${earlier}`);
  }

  #badSection(line: number, text: string): void {
    this.#problem(line, text);
    this.#section = null;
  }

  #readKey(written: string, line: number, withoutValue: boolean): void {
    if (this.#section === null) return;
    if (this.#section === undefined)
      return this.#problem(line, `${showText(written)}: stands before the first section; put it under [options]`);
    const list = written.length > 2 && written.endsWith('[]');
    const key = list ? written.slice(0, -2) : written;
    if (key === '__proto__') return this.#problem(line, `${key}: this name is not allowed`);
    const id = idOf(this.#section, key);
    const earlier = this.#keys.get(id);
    if (earlier === undefined) {
      this.#keys.set(id, { line, list });
      this.entries.push({ section: this.#section, key, line, bare: withoutValue });
    } else if (!list || !earlier.list) {
      this.#problem(line, `${showText(key)}: duplicate key; the first is in line ${earlier.line}`);
    }
  }

  /** [app.db] beside a key `db` in [app]: only one of them would be seen. */
  nestingConflicts(): Problem[] {
    return Array.from(this.#headers).flatMap(([name, line]) => {
      const parts = name.split('.');
      return parts.slice(1).flatMap((part, index) => {
        const outer = parts.slice(0, index + 1).join('.');
        const key = this.#keys.get(idOf(outer, part));
        return key === undefined
          ? []
          : [
              {
                line,
                text: `[${showText(name)}]: ${showText(part)} is already a key of [${showText(outer)}], in line ${key.line}`,
              },
            ];
      });
    });
  }
}

/** Quoted, a name can be any JSON for `ini`, whatever its types say: '1' is a number. */
function nameOf(written: string): string {
  const name: unknown = ini.unsafe(written);
  return String(name);
}

function idOf(sectionName: string, key: string): string {
  return `${sectionName}\n${key}`;
}
