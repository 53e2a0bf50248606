/** How what somebody wrote is shown in a message. */

/** Characters of a text that are shown: about a line of a terminal. */
const MOST = 120;
/** Of a path: nobody can do anything with half of one, so only what cannot be one is cut. */
const MOST_OF_PATH = 300;

/** On one line, and no longer than a line. */
export function showText(text: string): string {
  return cut(onOneLine(text));
}

/** A path, on one line. */
export function showPath(path: string): string {
  return cut(onOneLine(path), MOST_OF_PATH);
}

function onOneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text) ? JSON.stringify(text) : text;
}

/** No longer than a line; what is left out is marked by three dots. */
export function cut(text: string, most: number = MOST): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}
