/** An error as the plain object that pino's own serializer makes of it: type, message, stack with causes, and its own fields. */
export function errorFields(error: Error): Record<string, unknown> {
  const { cause: _cause, stack: _stack, message: _message, name: _name, ...own } = error as Error & { cause?: unknown };
  return { type: error.constructor.name, message: error.message, stack: stackOf(error, new Set()), ...own };
}

function stackOf(error: Error, seen: Set<Error>): string {
  seen.add(error);
  const stack = error.stack ?? String(error);
  const { cause } = error;
  return cause instanceof Error && !seen.has(cause) ? `${stack}\ncaused by: ${stackOf(cause, seen)}` : stack;
}
