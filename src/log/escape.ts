/**
 * What may not reach a terminal or a line-by-line reader as it is: C0 and C1 controls (a newline would forge a line, ESC and
 * CSI drive the terminal), the line separators of Unicode, and the marks that turn the direction of writing.
 */
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const everyUnsafe = new RegExp(unsafe.source, 'gu');

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with every character that could forge or garble a line spelled out. */
export function escapeControls(text: string): string {
  return unsafe.test(text) ? text.replace(everyUnsafe, spell) : text;
}

const quotable = /["\\]/;
const everyQuotable = /["\\]/g;

/** For between double quotes: quotes and backslashes are escaped too, so that the field ends where it seems to. */
export function escapeQuoted(text: string): string {
  return escapeControls(quotable.test(text) ? text.replace(everyQuotable, '\\$&') : text);
}

function spell(char: string): string {
  const code = char.charCodeAt(0);
  return named[char] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
