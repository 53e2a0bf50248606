/** Signals that Tricorn alone acts on, in the supervisor and in workers. */

export interface OwnSignals {
  readonly signals: readonly NodeJS.Signals[];
  readonly isOurs: (listener: unknown) => boolean;
  /** Somebody else's listener is removed. @param stack of who adds it; none where it was there before */
  readonly onForeign?: (signal: string, stack?: string) => void;
}

/** Removes the listeners that others have added for these signals, and those that they add later. Ours are kept. */
export function ownSignals({ signals, isOurs, onForeign = () => {} }: OwnSignals): void {
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (isOurs(listener)) continue;
      onForeign(signal);
      process.off(signal, listener);
    }
  }
  const owned: ReadonlySet<string | symbol> = new Set(signals);
  process.on('newListener', (name, listener) => {
    if (!owned.has(name) || isOurs(listener)) return;
    // A string, whatever Error.prepareStackTrace makes of it.
    onForeign(String(name), String(new Error('here').stack));
    // It is added only after this; and a signal comes only after the microtasks.
    queueMicrotask(() => process.off(name, listener));
  });
  process.on('removeListener', (name, listener) => {
    // By process.removeAllListeners(name): the signal would end the process.
    if (isOurs(listener)) process.on(name, listener);
  });
}
