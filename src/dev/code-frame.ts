/** The lines around a place in a source, with a caret under the place. Pure. */
import { escapeControls } from '../log/escape.ts';

/** Lines shown before and after. */
const AROUND = 2;
/** Of a longer line a piece around the place is shown: it is minified code. */
const WIDEST = 120;

/** @param line from 1 @param column from 1 */
export function codeFrame(text: string, line: number, column: number): string {
  const lines = text.trimEnd().split(/\r?\n/);
  const first = Math.max(1, line - AROUND);
  const last = Math.max(line, Math.min(lines.length, line + AROUND));
  const width = String(last).length;
  const from = column > WIDEST ? column - WIDEST / 2 : 0;
  const shown: string[] = [];
  for (let number = first; number <= last; number += 1) {
    // Tabs are one wide, so that the caret stands where it should.
    const source = escapeControls((lines[number - 1] ?? '').replaceAll('\t', ' ')).slice(from, from + WIDEST);
    const here = number === line;
    shown.push(`${here ? '>' : ' '} ${String(number).padStart(width)} | ${source}`.trimEnd());
    if (here) shown.push(`  ${' '.repeat(width)} | ${' '.repeat(Math.max(0, column - 1 - from))}^`);
  }
  return shown.join('\n');
}
