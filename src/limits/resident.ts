/**
 * Resident memory of this process, bytes. 0 where it cannot be told: Node opens a file for it, and a crowd of clients may
 * have taken the last descriptor, which must not end whoever asks.
 *
 * @param onFull called with the error then
 */
export function residentBytes(onFull: (error: NodeJS.ErrnoException) => void = () => {}): number {
  try {
    return process.memoryUsage.rss();
  } catch (error) {
    onFull(error as NodeJS.ErrnoException);
    return 0;
  }
}
