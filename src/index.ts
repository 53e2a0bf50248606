export { defineApp } from './app/define-app.ts';
export type {
  AppContext,
  AppDefinition,
  AppEntry,
  AppHooks,
  AppJobs,
  AppPlugin,
  DefinedApp,
  FastifyApp,
  FetchApp,
  FetchHandler,
  HealthQuestion,
  MiddlewareApp,
  Role,
} from './app/define-app.ts';
export type { Job, JobDefinition, JobDefinitions } from './cron/job.ts';
export { trigger } from './cron/trigger.ts';
export type { TriggerOptions } from './cron/trigger.ts';
