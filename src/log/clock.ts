/** Local time as text, put together once a second: a Date with its nine fields costs a microsecond, a line may not. */
interface Second {
  readonly at: number;
  readonly text: string;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

let plain: Second = { at: Number.NaN, text: '' };
let common: Second = plain;

/** `2026-11-23 14:52:00.123` */
export function timestamp(ms: number): string {
  const at = Math.floor(ms / 1000);
  if (at !== plain.at) plain = { at, text: plainSecond(new Date(at * 1000)) };
  return `${plain.text}.${pad(Math.floor(ms - at * 1000), 3)}`;
}

/** `23/Nov/2026:14:52:00 +0100`, as in the Common Log Format. */
export function commonTimestamp(ms: number): string {
  const at = Math.floor(ms / 1000);
  if (at !== common.at) common = { at, text: commonSecond(new Date(at * 1000)) };
  return common.text;
}

function plainSecond(d: Date): string {
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${timeOfDay(d)}`;
}

function commonSecond(d: Date): string {
  return `${pad(d.getDate())}/${months[d.getMonth()]}/${d.getFullYear()}:${timeOfDay(d)} ${offset(-d.getTimezoneOffset())}`;
}

function timeOfDay(d: Date): string {
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

function offset(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, '0');
}
