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

/** How they end. */
export const jobExitCodes = { done: 0, failed: 1, usage: 2, store: 4, refused: 6 } as const;

export const jobExitCodeDocs: Readonly<Record<keyof typeof jobExitCodes, string>> = {
  done: 'done',
  failed: '`run --wait`: the run has failed, was over its timeout, or was lost and given up',
  usage: 'the command line or the configuration is wrong, or there is no such job',
  store: 'the store of the jobs cannot be had: it does not exist, may not be opened, or does not answer',
  refused: 'the job is gone; `run --wait`: it is paused or deactivated',
};
