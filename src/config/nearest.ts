/** The valid name that was probably meant: for "did you mean" in messages. */

/**
 * Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`: a swap counts as one, because typing two
 * letters in the wrong order is one slip.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(beforeLast, j - 2) + 1 : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}

/**
 * The candidate nearest to `name`, whatever the case and whether written with `-` or `_`; the first of equals.
 * A name is never near to one that it shares no letter with.
 *
 * @param limit the largest distance; default 2, or a third of the name if that is more
 */
export function nearest(
  name: string,
  candidates: Iterable<string>,
  limit: number = Math.max(2, Math.floor(name.length / 3)),
): string | undefined {
  const wanted = plain(name);
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    // A distance is at least the difference in length: a name of a megabyte is not compared letter by letter.
    if (Math.abs(wanted.length - candidate.length) > limit) continue;
    const distance = editDistance(wanted, plain(candidate));
    const near = distance <= limit && distance < Math.max(wanted.length, candidate.length);
    if (near && distance < (best?.distance ?? Infinity)) best = { name: candidate, distance };
  }
  return best?.name;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll('-', '_');
}

/** `; did you mean http_port?`, or nothing where no candidate is near, nor begins the name as in `warning`. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  return question(meant(name, candidates));
}

/** The one candidate that is near, or begins the name; none where there is no such. */
export function meant(name: string, candidates: readonly string[]): string[] {
  const found =
    nearest(name, candidates) ??
    candidates.find((candidate) => candidate.length > 2 && plain(name).startsWith(plain(candidate)));
  return found === undefined ? [] : [found];
}

/** `; did you mean --http-interface and --http-port?` */
export function question(names: readonly string[]): string {
  return names.length === 0 ? '' : `; did you mean ${names.join(' and ')}?`;
}
