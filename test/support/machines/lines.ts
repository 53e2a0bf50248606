/** Pure: what the lines that jobs wrote say of their runs. They are in the order in which they were written. */

/** What a job has written down: `begin`, `end`, or what lies between. */
export interface RunLine {
  readonly what: string;
  readonly name: string;
  readonly runId: number;
  readonly attempt: number;
  readonly tick: number;
}

export function ends<Line extends RunLine>(lines: readonly Line[]): Line[] {
  return lines.filter(({ what }) => what === 'end');
}

/** Runs of a job of which one begins, or writes, between the beginning and the end of another. */
export function overlaps(lines: readonly RunLine[]): string[] {
  const found: string[] = [];
  const going = new Map<string, number>();
  for (const { what, name, runId } of lines) {
    const current = going.get(name);
    if (what === 'begin') {
      // Fencing: a smaller number than one that was seen must not write any more.
      if (current !== undefined && runId <= current) found.push(`${name} ${runId} begins after ${current}`);
      going.set(name, runId);
    } else if (current !== runId) found.push(`${name} ${runId} writes ${what} while ${current} runs`);
  }
  return found;
}

/** Ticks of a job, one each second, that are not there although they lie between two that are. */
export function gaps(lines: readonly RunLine[], name: string): number[] {
  const ticks = new Set(ends(lines).flatMap((line) => (line.name === name ? [line.tick] : [])));
  const [first, last] = [Math.min(...ticks), Math.max(...ticks)];
  const missing: number[] = [];
  for (let tick = first; tick <= last; tick += 1000) if (!ticks.has(tick)) missing.push(tick);
  return missing;
}

/** Ticks that were run to their end more than once. */
export function doubled(lines: readonly RunLine[]): string[] {
  const seen = new Set<string>();
  return ends(lines).flatMap(({ name, tick }) => {
    const key = `${name} ${tick}`;
    if (seen.has(key)) return [key];
    seen.add(key);
    return [];
  });
}

/** Runs that have begun and not ended. */
export function unfinished<Line extends RunLine>(lines: readonly Line[]): Line[] {
  const keyOf = ({ name, runId }: RunLine): string => `${name} ${runId}`;
  const ended = new Set(ends(lines).map(keyOf));
  return lines.filter((line) => line.what === 'begin' && !ended.has(keyOf(line)));
}
