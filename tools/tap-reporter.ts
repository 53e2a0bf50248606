/**
 * The reporter of `npm test`: one line per test file as it ends, every failure in full, and as the very last line
 * `N passed, N failed, N skipped`, counted over assertions, which CI reads.
 */
import { relative } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { inspect, styleText } from 'node:util';
import { Parser, type FinalResults, type Result } from 'tap-parser';

/** What tap says of an assertion that failed; all of it is optional. */
interface Diagnosis {
  at?: { fileName?: string; lineNumber?: number; columnNumber?: number };
  source?: string;
  diff?: string;
  stack?: string;
  [key: string]: unknown;
}

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

// Comments of tap itself; anything else comes from `t.comment()`.
const BOILERPLATE = /^# (Subtest\b|time=|failed \d|skip: \d|todo: \d|No coverage generated|\{ total: )/;

// How tap started a test file: the same for every file, and its name is in the title already.
const DULL = new Set(['stdio', 'cwd', 'externalID', 'command', 'args', 'jobId']);

export default class TapReporter extends Transform {
  readonly #tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  readonly #parser = new Parser();

  constructor() {
    super();
    this.#watch(this.#parser, []);
    this.#parser.on('bailout', (reason: string) => this.#fail(['Bail out!', reason]));
    this.#parser.on('complete', (results: FinalResults) => this.#end(results));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#parser.write(chunk);
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#parser.end();
    done();
  }

  /** Counts the assertions of one parser; those of its subtests are counted by the parsers below it. */
  #watch(parser: Parser, path: readonly string[]): void {
    let subtest: { before: Tally } | undefined;
    parser.on('child', (child: Parser) => {
      subtest = { before: { ...this.#tally } };
      this.#watch(child, [...path, child.name]);
    });
    parser.on('extra', (text: string) => this.push(text));
    parser.on('comment', (text: string) => {
      if (!BOILERPLATE.test(text)) this.push(text);
    });
    parser.on('assert', (result: Result) => {
      if (subtest === undefined) return this.#count(result, path);
      const { before } = subtest;
      subtest = undefined;
      this.#close(result, path, before);
    });
  }

  #count(result: Result, path: readonly string[]): void {
    if (result.skip || result.todo) this.#tally.skipped += 1;
    else if (result.ok) this.#tally.passed += 1;
    else this.#fail([...path, result.name], result.diag as Diagnosis | null);
  }

  /** A subtest's closing line repeats what is counted already, unless it fails or skips with nothing inside that says so. */
  #close(result: Result, path: readonly string[], before: Tally): void {
    const { passed, failed, skipped } = this.#tally;
    const expected = Boolean(result.skip || result.todo);
    const silentFailure = !result.ok && !expected && failed === before.failed;
    const silentSkip = expected && passed + failed + skipped === before.passed + before.failed + before.skipped;
    if (silentFailure || silentSkip) this.#count(result, path);
    if (path.length === 0) this.#fileDone(result, this.#tally.passed - before.passed);
  }

  #fileDone({ ok, name, skip, time }: Result, passed: number): void {
    const mark = skip ? styleText('yellow', '-') : ok ? styleText('green', '✓') : styleText('red', '✗');
    const took = time === null ? '' : `, ${(time / 1000).toFixed(2)} s`;
    this.push(`${mark} ${name} (${passed} passed${took})\n`);
  }

  #fail(path: readonly string[], diagnosis: Diagnosis | null = null): void {
    this.#tally.failed += 1;
    const { at, source, diff, stack, ...others } = diagnosis ?? {};
    const rest = Object.fromEntries(Object.entries(others).filter(([key]) => !DULL.has(key)));
    const title = path.filter((name) => name !== '').join(' > ');
    this.push(`\n${styleText(['red', 'bold'], `FAILED ${title}`)}\n`);
    if (at?.fileName !== undefined) this.push(`  at ${locate(at.fileName, at.lineNumber, at.columnNumber)}\n`);
    for (const text of [source, diff]) if (text !== undefined) this.push(indent(text));
    if (Object.keys(rest).length > 0) this.push(indent(inspect(rest, { depth: 8, breakLength: 100 })));
    if (stack !== undefined) this.push(indent(stack));
  }

  #end(results: FinalResults): void {
    if (!results.ok && this.#tally.failed === 0) this.#fail(['the run as a whole'], { failures: results.failures });
    const { passed, failed, skipped } = this.#tally;
    this.push(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  }
}

function locate(file: string, line = 0, column = 0): string {
  return `${relative(process.cwd(), file.replace(/^file:\/\//, ''))}:${line}:${column}`;
}

function indent(text: string): string {
  return `${text.trimEnd().replace(/^/gm, '  ')}\n`;
}
