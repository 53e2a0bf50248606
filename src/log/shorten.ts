/** Makes lines fit into one piece of a pipe: a longer one could be torn by another writer's. */
type Container = Record<string, unknown> | unknown[];

interface Place {
  readonly holder: Container;
  readonly key: string | number;
  readonly text: string;
}

/** Strings are not cut below this, and messages of hopeless lines to this times sixteen. */
const SHORTEST = 32;

/** A line of JSON, newline included, cut to `bytes`: its longest strings are cut, and `truncated` says so. */
export function shortenJson(line: string, bytes: number): string {
  try {
    const record = JSON.parse(line) as Record<string, unknown>;
    record['truncated'] = true;
    return cutStrings(record, bytes) ?? `${JSON.stringify(bareBones(record))}\n`;
  } catch {
    // No JSON, or nested too deep to walk.
    return shortenText(line, bytes);
  }
}

function cutStrings(record: Record<string, unknown>, bytes: number): string | undefined {
  const places = strings(record).sort((a, b) => b.text.length - a.text.length);
  for (let i = 0; ; i++) {
    const line = `${JSON.stringify(record)}\n`;
    const excess = Buffer.byteLength(line) - bytes;
    if (excess <= 0) return line;
    const place = places[i];
    if (!place || place.text.length <= SHORTEST) return undefined;
    cut(place, excess);
  }
}

/** A character takes a byte or more, so cutting `excess` characters is enough; unless the string is too short for that. */
function cut({ holder, key, text }: Place, excess: number): void {
  const kept = text.slice(0, Math.max(SHORTEST, text.length - excess - 3));
  (holder as Record<string | number, unknown>)[key] = `${kept}...`;
}

function strings(holder: Container): Place[] {
  return Object.entries(holder).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === 'string') return [{ holder, key, text: value }];
    return typeof value === 'object' && value !== null ? strings(value as Container) : [];
  });
}

/** For a line that is long by its many fields. */
function bareBones(record: Record<string, unknown>): Record<string, unknown> {
  const { level, time, pid, role, worker, thread, msg } = record;
  const message = typeof msg === 'string' ? msg.slice(0, 16 * SHORTEST) : undefined;
  return { ...plain({ level, time, pid, role, worker, thread }), msg: message, truncated: true };
}

function plain(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, typeof v === 'object' ? undefined : v]));
}

/** A text entry, newline included, cut to `bytes`, with a note of how much is missing. */
export function shortenText(entry: string, bytes: number): string {
  const whole = Buffer.from(entry);
  const room = bytes - 40;
  const end = characterStart(whole, room);
  return `${whole.toString('utf8', 0, end).trimEnd()} [${whole.length - 1 - end} more bytes cut]\n`;
}

/** The last index up to `at` where a character begins: UTF-8's continuation bytes are 10xxxxxx. */
function characterStart(buffer: Buffer, at: number): number {
  while (at > 0 && ((buffer[at] ?? 0) & 0xc0) === 0x80) at--;
  return at;
}
