/**
 * Pure: which members to start, to retire and to drain, given those there are and how many there should be. Used by the
 * supervisor for worker processes and by a threaded worker for its threads.
 *
 * States of a member, and how each is entered and left:
 *
 *   starting  started and told what to do. Left by its ready, by a drain, or by its death.
 *   ready     it serves. Left by a retirement, a drain, or its death.
 *   retiring  it is due to be recycled and still serves, while its replacement starts. Left by a drain, by its
 *             death, or back to ready, where there is to be no replacement after all.
 *   draining  it takes no new connections and finishes what it has. Left by its exit, at the latest by a kill.
 *   exited    it is gone. Final.
 */
export type MemberState = 'starting' | 'ready' | 'retiring' | 'draining' | 'exited';

export interface Member {
  /** From 1; unique among the active. */
  readonly number: number;
  readonly state: MemberState;
}

/** Members that count: those that retire or drain are on their way out. */
export function isActive({ state }: Pick<Member, 'state'>): boolean {
  return state === 'starting' || state === 'ready';
}

/** Members that have not yet been told to go. */
export function isDrainable({ state }: Pick<Member, 'state'>): boolean {
  return state === 'starting' || state === 'ready' || state === 'retiring';
}

export interface Plan<M> {
  /** Numbers for new members: the lowest that are free. */
  readonly spawn: readonly number[];
  /** Those that are too many, the highest numbers first to go, and the retiring once they are replaced. */
  readonly drain: readonly M[];
}

export function plan<M extends Member>(members: Iterable<M>, wanted: number): Plan<M> {
  const all = [...members];
  const active = all.filter(isActive).toSorted((a, b) => a.number - b.number);
  const taken = new Set(active.map(({ number }) => number));
  const spawn: number[] = [];
  for (let number = 1; active.length + spawn.length < wanted; number += 1) {
    if (!taken.has(number)) spawn.push(number);
  }
  const replaced = active.filter(({ state }) => state === 'ready').length >= wanted;
  const retiring = all.filter(({ state }) => state === 'retiring');
  return { spawn, drain: [...active.slice(wanted), ...(replaced ? retiring : [])] };
}

/** How large a part of the members may be on its way out at a time; one always may. */
const SHARE_AWAY = 0.25;

/**
 * Pure: which of the members that are due to be recycled retire now. All reasons share one budget; the others wait.
 *
 * @param due in the order in which they became due
 */
export function retire<M extends Member>(members: Iterable<M>, due: Iterable<M>, wanted: number): readonly M[] {
  const away = [...members].filter(({ state }) => state === 'retiring' || state === 'draining').length;
  const budget = Math.max(1, Math.floor(wanted * SHARE_AWAY)) - away;
  return [...due].filter(({ state }) => state === 'ready').slice(0, Math.max(0, budget));
}

const FROM: Readonly<Record<MemberState, readonly MemberState[]>> = {
  starting: [],
  ready: ['starting', 'retiring'],
  retiring: ['ready'],
  draining: ['starting', 'ready', 'retiring'],
  exited: ['starting', 'ready', 'retiring', 'draining'],
};

/** @returns `to` @throws Error where that is no transition */
export function transition(name: string, from: MemberState, to: MemberState): MemberState {
  if (!FROM[to].includes(from)) throw new Error(`${name}: ${from} -> ${to} is no transition`);
  return to;
}
