/**
 * What proxies say about the client, believed only from proxies that are trusted, and told to the app in one form.
 *
 * Frameworks differ in what they believe: Express and Koa take the leftmost address, which any client can invent. So
 * the headers are rewritten before the app sees them: what is left in them is the truth.
 */
import type http from 'node:http';
import net from 'node:net';
import { compile } from '@fastify/proxy-addr';
import { peerAddress, UNIX_PEER } from './peer.ts';

/** One claim of a proxy about what it was sent. Undefined: it says nothing about that. */
interface Hop {
  readonly for?: string | undefined;
  readonly proto?: string | undefined;
  readonly host?: string | undefined;
}

/** What is known about the client of a proxied request. */
export interface Client {
  readonly address: string;
  readonly proto?: string | undefined;
  readonly host?: string | undefined;
}

export type Trust = (address: string) => boolean;

const PROXY_HEADERS = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'] as const;
const REMOVED: ReadonlySet<string> = new Set([...PROXY_HEADERS, 'x-forwarded-port', 'x-real-ip']);

const clients = new WeakMap<http.IncomingMessage, Client>();

/**
 * Makes the judge of addresses. A peer on a unix socket is a process of this machine: it is trusted where 127.0.0.1 is.
 *
 * @param trusted addresses, CIDR ranges, or loopback, linklocal, uniquelocal
 * @throws TypeError on what is none of these
 */
export function compileTrust(trusted: readonly string[]): Trust {
  const trust = compile([...trusted]);
  return (address) => trust(address === UNIX_PEER ? '127.0.0.1' : address, 0);
}

/** The client's address: behind a trusted proxy what that says, else the peer's. Undefined once the peer is gone. */
export function clientAddress(req: http.IncomingMessage): string | undefined {
  return clients.get(req)?.address ?? plainAddress(peerAddress(req.socket));
}

/** What a trusted proxy said about this request; undefined where there was none. */
export function proxiedClient(req: http.IncomingMessage): Client | undefined {
  return clients.get(req);
}

/** Normalises every request and upgrade of the server before the app's own listeners see it. */
export function installProxy(server: http.Server, trust: Trust): void {
  const normalise = (req: http.IncomingMessage): void => normaliseRequest(req, trust);
  server.prependListener('request', normalise);
  // With a listener for 'upgrade' Node leaves upgrades to it: ours may be there only if the app has one too.
  if (server.listenerCount('upgrade') > 0) {
    server.prependListener('upgrade', normalise);
    return;
  }
  const onNew = (event: string | symbol): void => {
    if (event !== 'upgrade') return;
    server.off('newListener', onNew);
    server.on('upgrade', normalise);
  };
  server.on('newListener', onNew);
}

/** Rewrites the proxy headers of one request to the truth, and remembers the client. */
function normaliseRequest(req: http.IncomingMessage, trust: Trust): void {
  const peer = plainAddress(peerAddress(req.socket));
  const client = peer !== undefined && trust(peer) ? findClient(peer, hopsOf(req.headers), trust) : undefined;
  if (client !== undefined) clients.set(req, client);
  rewrite(req, client);
}

/** Walks from the peer to the client: each trusted address vouches for the one before it. */
export function findClient(peer: string, hops: readonly Hop[], trust: Trust): Client {
  let client: Client = { address: peer };
  for (const hop of hops.toReversed()) {
    if (!trust(client.address)) break;
    client = {
      address: hop.for ?? client.address,
      proto: hop.proto ?? client.proto,
      host: hop.host ?? client.host,
    };
    // A proxy that hides where a request came from ends the walk: nothing before it can be vouched for.
    if (hop.for === undefined) break;
  }
  return client;
}

/**
 * What the headers claim, the nearest proxy last. `Forwarded` counts only where there is no X-Forwarded-For: a proxy
 * that writes the one passes the other on as its client sent it.
 */
export function hopsOf(headers: http.IncomingHttpHeaders): readonly Hop[] {
  const addresses = listOf(headers['x-forwarded-for']);
  if (addresses.length === 0 && headers.forwarded !== undefined) return parseForwarded(headers.forwarded);
  const protos = listOf(headers['x-forwarded-proto']);
  const hosts = listOf(headers['x-forwarded-host']);
  const length = Math.max(addresses.length, protos.length, hosts.length);
  return Array.from({ length }, (_, index) => {
    const fromRight = length - 1 - index;
    return {
      for: validAddress(addresses.at(-1 - fromRight)),
      proto: validProto(protos.at(-1 - fromRight)),
      host: validHost(hosts.at(-1 - fromRight)),
    };
  });
}

/** RFC 7239. What is not well formed is skipped, as a claim that says nothing. */
export function parseForwarded(header: string): readonly Hop[] {
  return splitOutsideQuotes(header, ',').map((element) => {
    const pairs = new Map(splitOutsideQuotes(element, ';').map(parsePair));
    return {
      for: validAddress(pairs.get('for')),
      proto: validProto(pairs.get('proto')),
      host: validHost(pairs.get('host')),
    };
  });
}

function parsePair(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  const value = pair.slice(equals + 1).trim();
  const unquoted = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  return [pair.slice(0, Math.max(equals, 0)).trim().toLowerCase(), unquoted];
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): readonly string[] {
  const piece = separator === ',' ? /(?:"(?:[^"\\]|\\.)*"|[^",])+/g : /(?:"(?:[^"\\]|\\.)*"|[^";])+/g;
  return text.match(piece) ?? [];
}

function listOf(header: string | string[] | undefined): readonly string[] {
  if (header === undefined) return [];
  return String(header)
    .split(',')
    .map((entry) => entry.trim());
}

/** An IP address out of `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`; undefined for anything else. */
function validAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return net.isIP(bare) === 0 ? undefined : plainAddress(bare);
}

function validProto(text: string | undefined): string | undefined {
  const proto = text?.toLowerCase();
  return proto === 'http' || proto === 'https' ? proto : undefined;
}

function validHost(text: string | undefined): string | undefined {
  return text !== undefined && /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i.test(text) ? text : undefined;
}

/** IPv4 in IPv6's clothes is IPv4: logs, limits and databases would take the two for different clients. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** Both views that Node gives of the headers: frameworks read `headers`, @hono/node-server reads `rawHeaders`. */
function rewrite(req: http.IncomingMessage, client: Client | undefined): void {
  const headers = req.headers;
  const kept = req.rawHeaders;
  if (Object.keys(headers).some((name) => REMOVED.has(name))) {
    for (const name of REMOVED) delete headers[name];
    kept.splice(0, kept.length, ...withoutProxyHeaders(kept));
  }
  if (client === undefined) return;
  const truth = {
    // Who said nothing on a unix socket has no address that a framework could read.
    'x-forwarded-for': client.address === UNIX_PEER ? undefined : client.address,
    'x-forwarded-proto': client.proto,
    'x-forwarded-host': client.host,
  };
  for (const [name, value] of Object.entries(truth)) {
    if (value === undefined) continue;
    headers[name] = value;
    kept.push(name, value);
  }
}

function withoutProxyHeaders(raw: readonly string[]): readonly string[] {
  return raw.filter((_, index) => !REMOVED.has((raw[index - (index % 2)] ?? '').toLowerCase()));
}
