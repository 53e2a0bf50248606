/** Pure: which of the jobs that are due goes first. */

export interface Candidate {
  readonly name: string;
  readonly dueAt: number;
  /** In a row. */
  readonly failures: number;
  /** The smaller, the sooner. */
  readonly priority: number;
  /** Whether it goes on with what it left unfinished at `dueAt`. */
  readonly continues: boolean;
}

/**
 * By failures, priority and due time, as Odoo's ir_cron has it. What is partly done comes after all that were due when it
 * returned, whatever its priority: a job that never gets done must not starve the others.
 */
export function inOrder(candidates: readonly Candidate[]): Candidate[] {
  const whole = candidates.filter(({ continues }) => !continues);
  const oldest = Math.min(...whole.map(({ dueAt }) => dueAt));
  const isFree = ({ continues, dueAt }: Candidate): boolean => !continues || dueAt < oldest;
  const [free, behind] = [candidates.filter(isFree), candidates.filter((one) => !isFree(one))];
  return [...free.sort(compare), ...behind.sort(compare)];
}

function compare(a: Candidate, b: Candidate): number {
  return a.failures - b.failures || a.priority - b.priority || a.dueAt - b.dueAt || (a.name < b.name ? -1 : 1);
}
