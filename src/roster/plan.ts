/**
 * Pure: which members to start and which to drain, given those there are and how many there should be. Used by the
 * supervisor for worker processes and by a threaded worker for its threads.
 */
export type MemberState = 'starting' | 'ready' | 'draining' | 'exited';

export interface Member {
  /** From 1; unique among the active. */
  readonly number: number;
  readonly state: MemberState;
}

/** Members that serve or will: those that drain are on their way out and count for nothing. */
export function isActive({ state }: Pick<Member, 'state'>): boolean {
  return state === 'starting' || state === 'ready';
}

export interface Plan<M> {
  /** Numbers for new members: the lowest that are free. */
  readonly spawn: readonly number[];
  /** The highest numbers go, so that those that stay are 1 to `wanted`. */
  readonly drain: readonly M[];
}

export function plan<M extends Member>(members: Iterable<M>, wanted: number): Plan<M> {
  const active = [...members].filter(isActive).toSorted((a, b) => a.number - b.number);
  const taken = new Set(active.map(({ number }) => number));
  const spawn: number[] = [];
  for (let number = 1; active.length + spawn.length < wanted; number += 1) {
    if (!taken.has(number)) spawn.push(number);
  }
  return { spawn, drain: active.slice(wanted) };
}

const FROM: Readonly<Record<MemberState, readonly MemberState[]>> = {
  starting: [],
  ready: ['starting'],
  draining: ['starting', 'ready'],
  exited: ['starting', 'ready', 'draining'],
};

/** @returns `to` @throws Error where that is no transition */
export function transition(name: string, from: MemberState, to: MemberState): MemberState {
  if (!FROM[to].includes(from)) throw new Error(`${name}: ${from} -> ${to} is no transition`);
  return to;
}
