/**
 * Tricorn's log in a Fastify instance that Tricorn makes, without Fastify's two lines per request: there is an access log.
 *
 * A Fastify that has a logger makes a child of it for every request, and adds two listeners to every response in order to
 * log its end, whether or not that is wanted: together 1.2 of 13 us of CPU. So it is told that it has none. What it logs,
 * and to which logger a request belongs, is then said by a LogController, which is the place that Fastify has for that.
 * The price: reply.elapsedTime is 0 unless the route has an onResponse hook, as it is in any Fastify without a logger.
 */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
  RouteOptions,
} from 'fastify';
import type fastify from 'fastify';
import { type ChildLoggerOptions, type Logger, symbols } from 'pino';
import { makeChildrenLazy } from '../../log/lazy-child.ts';
import type { MountContext } from '../context.ts';

type FastifyModule = typeof fastify;
type ChildLoggerFactory = FastifyInstance['childLoggerFactory'];

export interface FastifyLog {
  /** For the making of the instance. */
  readonly options: FastifyServerOptions;
  /** Call it once the instance is made, before anything is registered. */
  install(instance: FastifyInstance): void;
}

/** What a route asks for its log, in its options or by the plugin that it stands in. */
interface RouteLog {
  readonly options: ChildLoggerOptions;
  readonly factory: ChildLoggerFactory | undefined;
}

/** In the config of such a route: Fastify hands the config of its route to each request. */
const ROUTE_LOG = Symbol('what the route asks for its log');
interface RouteConfig {
  readonly [ROUTE_LOG]?: RouteLog;
}

/** Tricorn's logger, unless the app brings one. */
export function fastifyLog(module: FastifyModule, asked: FastifyServerOptions, context: MountContext): FastifyLog {
  const own = asked.logger !== undefined || asked.loggerInstance !== undefined;
  const controlled = asked.logController !== undefined || 'disableRequestLogging' in asked;
  // Without LogController, an old Fastify; else an app that wants to say more about its log than the level of a route.
  if (module.LogController === undefined) return oldLog(own, controlled, context);
  const logger = own ? {} : { loggerInstance: context.log };
  if (controlled) return plainLog(logger);
  if (own || asked.childLoggerFactory !== undefined) {
    return plainLog({ ...logger, logController: new (quietController(module))() });
  }
  return requestLog(module, asked, context);
}

/** pino gives a child its own level: one that was never asked to differ goes with its parent. */
function followLevel(child: Logger, parent: Logger): void {
  // Children share the events of their parent.
  parent.on('level-change', (level, _value, _before, _valueBefore, changed) => {
    if (changed === parent) child.level = level;
  });
}

function requestLog(module: FastifyModule, asked: FastifyServerOptions, context: MountContext): FastifyLog {
  const log = context.log.child({}, { serializers: { ...serializers, ...ownSerializers(context.log) } });
  makeChildrenLazy(log);
  followLevel(log, context.log);
  const label = Reflect.get(asked, 'requestIdLogLabel') ?? 'reqId';
  let routesAsk = false;

  class RequestLogController extends quietController(module) {
    override incomingRequest(request: FastifyRequest, reply: FastifyReply): void {
      const bindings = { [label]: request.id };
      const child = routesAsk ? childOf(log, bindings, request) : log.child(bindings);
      request.log = child;
      reply.log = child;
    }
  }

  return {
    options: { logger: false, logController: new RequestLogController() },
    install: (instance) => {
      instance.log = log;
      const usual = instance.childLoggerFactory;
      instance.addHook('onRoute', function (this: FastifyInstance, route) {
        const asks = routeLogOf(route, route.childLoggerFactory ?? this.childLoggerFactory, usual);
        if (asks === undefined) return;
        routesAsk = true;
        route.config = { ...route.config, [ROUTE_LOG]: asks } as typeof route.config & object;
        // Fastify would call the app's own with a logger that logs nothing.
        route.childLoggerFactory = usual;
      });
    },
  };
}

type RouteLogOptions = Pick<RouteOptions, 'logLevel' | 'logSerializers'>;

/** Undefined: nothing. */
function routeLogOf(
  { logLevel, logSerializers }: RouteLogOptions,
  factory: ChildLoggerFactory,
  usual: ChildLoggerFactory,
): RouteLog | undefined {
  const own = factory === usual ? undefined : factory;
  if (!logLevel && !logSerializers && !own) return undefined;
  const options: ChildLoggerOptions = {};
  if (logLevel) options.level = logLevel;
  if (logSerializers) options.serializers = logSerializers;
  return { options, factory: own };
}

function childOf(log: Logger, bindings: Record<string, unknown>, request: FastifyRequest): FastifyBaseLogger {
  const asks = (request.routeOptions.config as unknown as RouteConfig | undefined)?.[ROUTE_LOG];
  if (asks?.factory) return asks.factory.call(request.server, log, bindings, asks.options, request.raw);
  return asks ? log.child(bindings, asks.options) : log.child(bindings);
}

/** Unlike disableRequestLogging, this goes on logging the errors that become a 500. */
function quietController(module: FastifyModule): FastifyModule['LogController'] {
  return class extends module.LogController {
    override incomingRequest(_request: FastifyRequest, _reply: FastifyReply): void {}
    override requestCompleted(): void {}
    override routeNotFound(): void {}
  };
}

function plainLog(options: FastifyServerOptions): FastifyLog {
  return { options, install: () => {} };
}

/** For a Fastify without LogController. */
const OLD_QUIET = { disableRequestLogging: true };

function oldLog(own: boolean, controlled: boolean, context: MountContext): FastifyLog {
  const logger = own ? {} : { loggerInstance: context.log };
  return {
    options: controlled ? logger : { ...logger, ...OLD_QUIET },
    install: (instance) => {
      if (!own) makeChildrenLazy(instance.log as Logger);
      logErrors(instance);
    },
  };
}

/** With disableRequestLogging a Fastify that has no LogController answers 500 without a trace. */
function logErrors(instance: FastifyInstance): void {
  instance.addHook('onError', (request, _reply, error, done) => {
    if ((error.statusCode ?? 500) >= 500) request.log.error(error);
    done();
  });
}

/** As Fastify writes its objects, where it has a logger. */
const serializers = {
  req: ({ method, url, headers, host, ip, socket }: FastifyRequest): object => ({
    method,
    url,
    version: headers?.['accept-version'],
    host,
    remoteAddress: ip,
    remotePort: socket?.remotePort,
  }),
  res: ({ statusCode }: FastifyReply): object => ({ statusCode }),
};

/** Those that the logger has already, by pino's documented symbol: they win, as with `loggerInstance`. */
function ownSerializers(log: Logger): Record<string, (value: unknown) => unknown> {
  return Reflect.get(log, symbols.serializersSym) as Record<string, (value: unknown) => unknown>;
}
