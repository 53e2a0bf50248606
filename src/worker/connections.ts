/**
 * The open connections of one event loop.
 *
 * Not a Set: when V8 makes a Set's table anew, the old one keeps a link to the new for the sake of iterators. Once an old
 * table has come into the old generation, all its successors, each with the sockets that it held, outlive every minor
 * collection, until the next major one. With one request per connection that made a loop a tenth to a third slower.
 */
import type { Socket } from 'node:net';

/** Where it stands in the array. */
const INDEX: unique symbol = Symbol('place among the connections of the event loop');

type Placed = Socket & { [INDEX]?: number };

export class Connections {
  readonly #open: Placed[] = [];

  get size(): number {
    return this.#open.length;
  }

  add(socket: Socket): void {
    (socket as Placed)[INDEX] = this.#open.push(socket) - 1;
  }

  /** One that is not, or no more, among them is no error. */
  delete(socket: Socket): void {
    const { [INDEX]: index } = socket as Placed;
    if (index === undefined || this.#open[index] !== socket) return;
    const last = this.#open.pop();
    if (last === undefined || last === socket) return;
    last[INDEX] = index;
    this.#open[index] = last;
  }

  /** Those that are open now, whatever happens to them meanwhile. */
  [Symbol.iterator](): ArrayIterator<Socket> {
    return [...this.#open].values();
  }
}
