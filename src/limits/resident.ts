/**
 * Resident memory of this process, bytes. 0 where it cannot be told: Node opens a file for it, and a crowd of clients may
 * have taken the last descriptor, which must not end whoever asks.
 */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
