/** Where in the app's own files an error comes from, as its stack tells. Pure but for the reading of a file. */
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Place {
  readonly file: string;
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** What it finds out with. */
export interface Sources {
  /** Undefined where it cannot be read. */
  readonly read: (file: string) => string | undefined;
  /** Tricorn's own folder is no place to look for the app's mistake. */
  readonly tricorn: string;
}

/**
 * `file:///app.ts:3` or `/app.cjs:3`, the source, and a line of carets, unless the source ends too early: what V8 puts before
 * the stack of a SyntaxError.
 */
const HEAD = /^(?<file>(?:file:\/\/)?\/.*):(?<line>\d+)\n(?:(?:.*\n){1,5}?(?<indent> *)\^+ *\n)?/;
const FRAME = /^ +at (?:.* \()?(?<file>(?:file:\/\/)?\/.*?):(?<line>\d+):(?<column>\d+)\)?$/;
const JSON_FILE = /^SyntaxError: (?<file>\/.*\.json): /m;

/** @returns the stack without what the place says better, and the place, if there is any */
export function findPlace(stack: string, sources: Sources): { readonly rest: string; readonly place?: Place } {
  const head = HEAD.exec(stack);
  if (head?.groups) {
    const { file = '', line, indent } = head.groups;
    const column = indent === undefined ? Infinity : indent.length + 1;
    const place = placeAt(file, Number(line), column, sources);
    // The stripper shows lines after the carets, too.
    const error = /^\w*Error\b/m.exec(stack)?.index ?? head[0].length;
    return place ? { rest: stack.slice(error), place } : { rest: stack };
  }
  const place = placeInJson(stack, sources) ?? placeOfFrames(stack, sources);
  return place ? { rest: stack, place } : { rest: stack };
}

function placeOfFrames(stack: string, sources: Sources): Place | undefined {
  for (const text of stack.split('\n')) {
    const { file, line, column } = FRAME.exec(text)?.groups ?? {};
    if (file === undefined) continue;
    const place = placeAt(file, Number(line), Number(column), sources);
    if (place) return place;
  }
  return undefined;
}

function placeAt(address: string, line: number, column: number, { read, tricorn }: Sources): Place | undefined {
  const file = pathOf(address);
  if (file === undefined || file.includes(`${sep}node_modules${sep}`) || file.startsWith(tricorn)) return undefined;
  const text = read(file);
  const source = text?.split('\n')[line - 1];
  if (text === undefined || source === undefined) return undefined;
  return { file, text, line, column: Math.min(column, source.length + 1) };
}

function pathOf(address: string): string | undefined {
  try {
    return address.startsWith('file:') ? fileURLToPath(address) : address;
  } catch {
    return undefined;
  }
}

/** V8 says where in a short text, or what stands around it: up to ten characters before and after. */
function placeInJson(stack: string, sources: Sources): Place | undefined {
  const { file } = JSON_FILE.exec(stack)?.groups ?? {};
  const text = file === undefined ? undefined : sources.read(file);
  if (file === undefined || text === undefined) return undefined;
  const at = offsetInJson(stack, text);
  const before = text.slice(0, at).split('\n');
  return placeAt(file, before.length, (before.at(-1) ?? '').length + 1, sources);
}

function offsetInJson(message: string, text: string): number {
  const position = / in JSON at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  const { token, cutBefore, around } =
    /Unexpected token '(?<token>.)', (?<cutBefore>\.\.\.)?"(?<around>[^]*?)"(?:\.\.\.)? is not valid JSON/.exec(message)
      ?.groups ?? {};
  // "Unexpected end of JSON input"
  if (around === undefined) return text.trimEnd().length;
  const start = Math.max(0, text.indexOf(around));
  return cutBefore === undefined ? Math.max(0, text.indexOf(token ?? '', start)) : start + 10;
}
