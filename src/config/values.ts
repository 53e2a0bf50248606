/** Values: from how people write them to what Config holds, and what a message says is allowed. */
import type { Setting } from './settings.ts';
import { showPath, showText } from './show.ts';

const durationUnits: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };
const sizeUnits: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
};

/**
 * The value in the form that Config holds. What cannot be understood is returned as it came, for the schema to refuse:
 * so there is one place that decides what is valid.
 *
 * @param raw text, or what `ini` made of it: true, false, null, or anything that a quoted piece of JSON can be
 * @param parallelism what `auto` means
 */
export function toValue(setting: Setting, raw: unknown, parallelism: number): unknown {
  switch (setting.type) {
    case 'string':
    case 'path':
      return isScalar(raw) ? String(raw) : raw;
    case 'list':
      return toList(raw);
    default:
      return isScalar(raw) ? fromText(setting, String(raw).trim(), parallelism) : raw;
  }
}

function fromText(setting: Setting, text: string, parallelism: number): unknown {
  switch (setting.type) {
    case 'boolean':
      return parseBoolean(text) ?? text;
    case 'duration':
      return parseDuration(text) ?? text;
    case 'size':
      return parseSize(text) ?? text;
    case 'count':
      return text.toLowerCase() === 'auto' ? parallelism : (parseNumber(text) ?? text);
    case 'integer':
      return parseNumber(text) ?? text;
    default:
      return text;
  }
}

function isScalar(raw: unknown): raw is string | number | boolean {
  return typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean';
}

/** The items of one text, or of the several that `key[]` and a repeated flag yield. */
function toList(raw: unknown): unknown {
  const parts: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  if (!parts.every(isScalar)) return raw;
  return parts.flatMap((part) => String(part).split(/[\s,]+/)).filter((item) => item !== '');
}

/** true, yes, on, 1 and false, no, off, 0 in any case. */
export function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return Object.hasOwn(booleans, lower) ? booleans[lower] : undefined;
}

/** Decimal notation only: `0x10` and `1e3` are more often slips than meant. Adding 0 turns -0 into 0. */
function parseNumber(text: string): number | undefined {
  return /^-?(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) + 0 : undefined;
}

/** Seconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(-?[\d.]+)\s*(ms|s|m|h)?$/i.exec(text);
  const number = parseNumber(match?.[1] ?? '');
  if (number === undefined) return undefined;
  const unit = match?.[2]?.toLowerCase() ?? 's';
  // 0.001 has no exact binary form: 1.1 * 0.001 is not 0.0011, but 1.1 / 1000 is.
  return unit === 'ms' ? number / 1000 : number * (durationUnits[unit] ?? 1);
}

/** Bytes. k, m and g are powers of 1024; KB and MB are refused, because half of the world reads them as 1000. */
export function parseSize(text: string): number | undefined {
  const match = /^(-?[\d.]+)\s*(?:([kmg])(?:iB)?|B)?$/i.exec(text);
  const number = parseNumber(match?.[1] ?? '');
  return number === undefined ? undefined : number * (sizeUnits[match?.[2]?.toLowerCase() ?? ''] ?? 1);
}

/** What is allowed, to follow "must be": `an integer from 0 to 65535`. */
export function describeAllowed(setting: Setting): string {
  switch (setting.type) {
    case 'boolean':
      return 'true, yes, on or 1, or false, no, off or 0';
    case 'integer':
      return `an integer${range(setting)}`;
    case 'count':
      return `an integer${range(setting)}, or auto`;
    case 'duration':
      return `a duration${range(setting)} seconds, such as 90, 1.5, 500ms, 30s, 2m or 1h`;
    case 'size':
      return `a size${range(setting)} bytes, such as 65536, 512KiB, 1MiB or 2GiB`;
    case 'enum':
      return `one of ${(setting.values ?? []).join(', ')}`;
    default:
      return describeText(setting);
  }
}

function describeText(setting: Setting): string {
  if (setting.format === 'host') return 'an IPv4 or IPv6 address or a host name';
  if (setting.format === 'interface') return 'an IPv4 or IPv6 address, a host name or none';
  if (setting.format === 'mode') return 'permissions in octal from 0000 to 0777, such as 0660';
  if (setting.format === 'postgres') return 'a URL that begins with postgres://';
  if (setting.format === 'canary') return 'a share from 1% to 50% and a time, such as 10%,30s, or empty for none';
  if (setting.format === 'trust')
    return 'addresses, CIDR ranges, loopback, linklocal or uniquelocal, separated by commas';
  if (setting.type === 'path') return ['a path', ...(setting.words ?? [])].join(' or ');
  return 'text';
}

function range({ min, max }: Setting): string {
  if (max === undefined) return min === undefined ? ' in' : ` of at least ${min}`;
  return ` from ${min ?? 0} to ${max}`;
}

/** A value in a message. Secrets are masked. */
export function showValue(setting: Setting | undefined, raw: unknown): string {
  if (setting?.secret === true) return mask;
  const text = typeof raw === 'string' ? raw : JSON.stringify(raw);
  return setting?.type === 'path' ? showPath(text) : showText(text);
}

/** What stands for a secret. */
export const mask = '********';

/** For people: with its unit, where it has one. */
export function inUnits({ type }: Pick<Setting, 'type'>, value: unknown): string {
  if (type === 'duration') return `${String(value)} s`;
  if (type === 'size') return inBinaryUnit(Number(value));
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function inBinaryUnit(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let amount = bytes;
  for (; unit < units.length - 1 && amount >= 1024 && amount % 1024 === 0; unit++) amount /= 1024;
  return `${amount} ${units[unit]}`;
}
