/** Bytes that look random and follow from a seed: the app makes them, the client makes them again and compares. */

/** xorshift32: the same numbers from the same seed, everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring numbers, and 0 would stay 0 for ever.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) || 1;
    this.uint32();
  }

  uint32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** From `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + (this.uint32() % (most - least + 1));
  }
}

export function content(seed: number, size: number): Buffer {
  const random = new Random(seed);
  const words = Uint32Array.from({ length: Math.ceil(size / 4) }, () => random.uint32());
  return Buffer.from(words.buffer, 0, size);
}

/** The whole of event `id` of a stream, as it must stand on the wire. */
export function eventText(seed: number, id: number): string {
  return `id: ${id}\ndata: ${content(seed + id, 24).toString('hex')}\n\n`;
}
