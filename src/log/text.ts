/**
 * `log_format = text`: one entry as one readable line, an error's stack as indented lines in the same write.
 *
 * Own code instead of pino-pretty: that puts every field on a line of its own, leaves control characters in values as they
 * are, and is one more dependency, for a format that is 100 lines here.
 */
import { timestamp } from './clock.ts';
import { escapeControls } from './escape.ts';
import { identityLabel } from './identity.ts';

type Fields = Readonly<Record<string, unknown>>;

const labels: Readonly<Record<string, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
};

/** They stand at the head of the line, or say nothing on one machine. */
const atHead = new Set(['level', 'time', 'hostname', 'msg']);

/** So much of a value needs no quotes; everything else gets them. */
const bare = /^[\w.:/@+%,*-]+$/;

/** A line of pino's JSON, newline included, as text. What is no JSON (an app's own formatter) is passed on, escaped. */
export function textOfJson(line: string, writer: Fields): string {
  try {
    return formatText(JSON.parse(line) as Fields, writer);
  } catch {
    return `${escapeControls(line.trimEnd())}\n`;
  }
}

/**
 * One entry as text, newline included: `2026-11-23 14:52:00.123 INFO  [4711 worker 1.2] message key=value`. `writer` is what
 * identityFields() gives; a field of the same name with another value (the supervisor's word on a worker) is shown.
 */
export function formatText(fields: Fields, writer: Fields): string {
  const [message, list] = split(messageOf(fields), fields);
  const head = `${timeOf(fields['time'])} ${labelOf(fields['level'])} [${identityLabel(writer)}]`;
  let line = message === '' ? head : `${head} ${escapeControls(message)}`;
  let stacks = list === '' ? '' : indent(list);
  for (const [key, value] of Object.entries(fields)) {
    if (atHead.has(key) || writer[key] === value) continue;
    if (key === 'stack' && typeof value === 'string') {
      stacks += indent(value);
    } else if (hasStack(value)) {
      line += errorFields(value);
      stacks += indent(value.stack);
    } else {
      line += ` ${word(key)}=${word(value)}`;
    }
  }
  return `${line}\n${stacks}`;
}

/** What an error of the catalogue lists under its message stands on lines of its own, indented as a stack is. */
function split(message: string, { code }: Fields): [message: string, list: string] {
  const end = message.indexOf('\n');
  if (end === -1 || typeof code !== 'string' || !code.startsWith('TRC_')) return [message, ''];
  return [message.slice(0, end), message.slice(end + 1)];
}

function messageOf({ msg, err }: Fields): string {
  if (msg !== undefined) return typeof msg === 'string' ? msg : JSON.stringify(msg);
  const message = hasStack(err) ? err['message'] : undefined;
  return typeof message === 'string' ? message : '';
}

function timeOf(time: unknown): string {
  return timestamp(typeof time === 'number' ? time : Date.now());
}

function labelOf(level: unknown): string {
  if (typeof level === 'number') return labels[level] ?? `L${level}`.padEnd(5);
  return escapeControls(String(level)).toUpperCase().padEnd(5);
}

interface ErrorFields extends Fields {
  readonly stack: string;
}

function hasStack(value: unknown): value is ErrorFields {
  return typeof value === 'object' && value !== null && typeof (value as Fields)['stack'] === 'string';
}

/** What an error carries beside its stack: code, statusCode, … The stack itself begins with type and message. */
function errorFields(error: ErrorFields): string {
  return Object.entries(error)
    .filter(([key]) => key !== 'stack' && key !== 'message' && key !== 'type')
    .map(([key, value]) => ` ${word(key)}=${word(value)}`)
    .join('');
}

/** A message may contain newlines and come from a request: indented, its lines cannot pass for entries. */
function indent(stack: string): string {
  return stack
    .split('\n')
    .map((line) => `    ${escapeControls(line)}\n`)
    .join('');
}

function word(value: unknown): string {
  if (typeof value === 'string' && bare.test(value)) return value;
  return escapeControls(JSON.stringify(value) ?? 'undefined');
}
