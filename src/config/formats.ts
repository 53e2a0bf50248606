/** Forms of text that JSON Schema alone does not know, by the name that a row of the settings table gives. */
import { isIP } from 'node:net';
import { parseCanary } from '../canary/share.ts';
import { NO_INTERFACE, type Format } from './settings.ts';

const trustNames: readonly string[] = ['loopback', 'linklocal', 'uniquelocal'];

export const formats: Readonly<Record<Format, (text: string) => boolean>> = {
  host: (text) => text !== NO_INTERFACE && isHost(text),
  interface: isHost,
  mode: (text) => /^0?[0-7]{3}$/.test(text),
  postgres: (text) => text === '' || (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)),
  canary: (text) => text === '' || parseCanary(text) !== undefined,
  trust: (text) => trustNames.includes(text) || isAddressOrRange(text),
};

function isHost(text: string): boolean {
  return isIP(text) !== 0 || isHostName(text);
}

/** Underscores are let through: container networks use them in names. */
function isHostName(text: string): boolean {
  return text.length <= 253 && /^(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?$/i.test(text);
}

function isAddressOrRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
