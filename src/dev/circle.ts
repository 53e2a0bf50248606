/** Notices that reloads go round in a circle: each time it boots, the app writes a file that is watched. Pure. */

/** A change this soon after a reload is hardly somebody's hand, milliseconds. */
const SOON_MS = 1000;
/** So many such changes in a row are told. */
const TOLD_AT = 4;

export class Circle {
  readonly #clock: () => number;
  #last = '';
  #reloadedAt = -Infinity;
  #count = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** @returns whether it is to be told now: once for each circle */
  changed(what: string): boolean {
    const soon = this.#clock() - this.#reloadedAt < SOON_MS;
    this.#count = soon && what === this.#last ? this.#count + 1 : 0;
    this.#last = what;
    return this.#count === TOLD_AT;
  }

  reloaded(): void {
    this.#reloadedAt = this.#clock();
  }
}
