import type { LogLine, Tricorn } from './tricorn.ts';

/** Asks for statistics and returns the lines of as many loops as are expected. */
export async function statistics(server: Tricorn, expected: number): Promise<LogLine[]> {
  const before = server.lines.filter(isWorkerStatistics).length;
  server.kill('SIGUSR1');
  await server.count(isWorkerStatistics, before + expected);
  return server.lines.filter(isWorkerStatistics).slice(before);
}

function isWorkerStatistics({ msg }: LogLine): boolean {
  return msg.startsWith('Statistics of worker');
}
