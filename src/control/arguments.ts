/** The arguments of a command, as they come from a command line or a JSON body: one check for both. */
import { availableParallelism } from 'node:os';
import { question, meant } from '../config/nearest.ts';
import { showText } from '../config/show.ts';
import type { Argument, ControlCommand } from './commands.ts';

/** A worker beside those of the mode. */
const ASIDE = /^(evented|cron)-[1-9]\d{0,5}$/;

/** Values by field. */
export type Arguments = Readonly<Record<string, string | number | boolean>>;

export interface Checked {
  readonly values: Arguments;
  /** One line each: what was seen, and what is allowed. */
  readonly problems: readonly string[];
}

/** Checks what a body holds, or what a command line has made into the same. `auto` becomes a number. */
export function checkArguments({ arguments: known = [] }: ControlCommand, given: unknown): Checked {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return { values: {}, problems: [`${show(given)}: must be a JSON object, such as ${example(known)}`] };
  }
  const fields = given as Readonly<Record<string, unknown>>;
  const values = known.flatMap((argument) => {
    const value = resolved(argument, fields[argument.field]);
    return isAllowed(argument, value) ? [[argument.field, value] as const] : [];
  });
  const problems = [
    ...Object.keys(fields).flatMap((field) => unknown(field, known)),
    ...known.flatMap((argument) => problemOf(argument, fields[argument.field])),
    ...crossCheck(fields),
  ];
  return { values: Object.fromEntries(values), problems };
}

/** What is allowed, to follow "must be". */
export function describeArgument({ type, min = 0, max, values = [] }: Argument): string {
  if (type === 'switch') return 'true or false';
  if (type === 'enum') return `one of ${values.join(', ')}`;
  if (type === 'worker') return 'a number from 1 on, evented-N or cron-N, as status names workers';
  const range = max === undefined ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return `${range}, or auto`;
}

function problemOf(argument: Argument, value: unknown): string[] {
  const { field, optional = false } = argument;
  if (value === undefined) return optional ? [] : [`${field}: missing; it must be ${describeArgument(argument)}`];
  if (isAllowed(argument, resolved(argument, value))) return [];
  const near = typeof value === 'string' ? question(meant(value, argument.values ?? [])) : '';
  return [`${field} = ${show(value)}: must be ${describeArgument(argument)}${near}`];
}

function resolved({ type }: Argument, value: unknown): unknown {
  return type === 'count' && value === 'auto' ? availableParallelism() : value;
}

function isAllowed(
  { type, min = 0, max = Infinity, values = [] }: Argument,
  value: unknown,
): value is string | number | boolean {
  if (type === 'switch') return typeof value === 'boolean';
  if (type === 'enum') return typeof value === 'string' && values.includes(value);
  if (type === 'worker' && typeof value === 'string') return ASIDE.test(value);
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
}

function crossCheck({ mode, count }: Readonly<Record<string, unknown>>): string[] {
  return mode === 'evented' && count !== undefined ? ['count: the evented mode has one event loop; leave it out'] : [];
}

function unknown(field: string, known: readonly Argument[]): string[] {
  const names = known.map((argument) => argument.field);
  if ((names as string[]).includes(field)) return [];
  const allowed = names.length === 0 ? 'there are no arguments' : `there is only ${names.join(', ')}`;
  return [`${showText(field)}: unknown; ${allowed}`];
}

function example(known: readonly Argument[]): string {
  const fields = known.filter(({ optional }) => optional !== true);
  return JSON.stringify(Object.fromEntries(fields.map(({ field, values, min }) => [field, values?.[0] ?? min])));
}

function show(value: unknown): string {
  return showText(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));
}
