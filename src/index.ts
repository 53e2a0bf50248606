export { defineApp } from './app/define-app.ts';
export type {
  AppContext,
  AppDefinition,
  AppEntry,
  AppHooks,
  AppPlugin,
  DefinedApp,
  FastifyApp,
  FetchApp,
  FetchHandler,
  MiddlewareApp,
  Role,
} from './app/define-app.ts';
