/** Where the clients of a load wait between two steps while it is paused. */
export class Gate {
  readonly #clients: number;
  #waiting = 0;
  #shut: { readonly opened: PromiseWithResolvers<void>; readonly reached: PromiseWithResolvers<void> } | undefined;

  constructor(clients: number) {
    this.#clients = clients;
  }

  /** Resolves when every client waits: what they had begun is answered. */
  shut(): Promise<void> {
    this.#shut ??= { opened: Promise.withResolvers<void>(), reached: Promise.withResolvers<void>() };
    return this.#shut.reached.promise;
  }

  open(): void {
    this.#shut?.opened.resolve();
    this.#shut = undefined;
    this.#waiting = 0;
  }

  /** Resolves at once where the gate is open. */
  async pass(): Promise<void> {
    if (!this.#shut) return;
    this.#waiting += 1;
    if (this.#waiting === this.#clients) this.#shut.reached.resolve();
    await this.#shut.opened.promise;
  }
}
