/** The commands about jobs. Loaded by whoever parses a command line: nothing heavy is imported. */
export interface JobCommand {
  readonly name: 'jobs' | 'run' | 'pause' | 'resume';
  /** As help shows it. */
  readonly usage: string;
  /** One line, without a full stop. */
  readonly summary: string;
}

export const jobCommands: readonly JobCommand[] = [
  { name: 'jobs', usage: 'jobs [history JOB]', summary: 'Show all jobs, or the last runs of one' },
  { name: 'run', usage: 'run JOB [--wait]', summary: 'Have a job run now, by a cron worker; wait for its end' },
  { name: 'pause', usage: 'pause JOB', summary: 'Let a job run no more until it is resumed' },
  { name: 'resume', usage: 'resume JOB', summary: 'Let a job run again that is paused or deactivated' },
];

export function jobCommandNamed(name: string): JobCommand | undefined {
  return jobCommands.find((command) => command.name === name);
}
