/** How what somebody wrote is shown in a message. */

/** Characters of a text that are shown: about a line of a terminal. */
const MOST = 120;

/** On one line, and no longer than a line. */
export function showText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return cut(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text) ? JSON.stringify(text) : text);
}

/** No longer than a line; what is left out is marked by three dots. */
export function cut(text: string): string {
  return text.length > MOST ? `${text.slice(0, MOST - 3)}...` : text;
}
