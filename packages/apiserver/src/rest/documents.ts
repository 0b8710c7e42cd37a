// Paths outside the resource API: discovery, OpenAPI, version, health, metrics.
import { createHash } from "node:crypto";
import type { HealthChecks, HealthEndpoint } from "@lenj/component-base";
import type { Registry } from "prom-client";
import type { WellKnownDocument } from "../auth/ports.js";
import type { ResourceCatalog } from "../core/catalog.js";
import { legacyAPIVersions, legacyGroupDocument, legacyGroupList, legacyResourceList } from "../core/discovery.js";
import { jsonObject, negotiateDiscovery, parseAccept } from "../core/media-type.js";
import { type BuildFacts, versionDocument } from "../core/version.js";
import type { Exchange } from "./exchange.js";
import type { NonResourceHandler } from "./pipeline.js";
import { type Answer, sendBytes, sendDocument, sendText } from "./respond.js";

/** Where OpenAPI documents come from; made on demand. */
export interface OpenAPISource {
  index(): Promise<Uint8Array>;
  /** `key`: "api/v1", "apis/apps/v1", "version". */
  document(key: string): Promise<{ bytes: Uint8Array; hash: string } | undefined>;
  /** The v2 document; undefined where there is none. */
  swagger(): Promise<Uint8Array | undefined>;
}

export interface DocumentOptions {
  readonly catalog: () => ResourceCatalog;
  readonly openapi: OpenAPISource;
  readonly build: BuildFacts;
  readonly health: HealthChecks;
  readonly metrics: Registry;
  /** host:port under which clients reach this server. */
  readonly serverAddress: () => string;
  readonly wellKnown: readonly WellKnownDocument[];
}

export function createDocumentHandler(options: DocumentOptions): NonResourceHandler {
  const etags = new WeakMap<object, { body: Buffer; etag: string }>();
  const rendered = (document: object): { body: Buffer; etag: string } => {
    let known = etags.get(document);
    if (known === undefined) {
      const body = Buffer.from(`${JSON.stringify(document)}\n`);
      known = { body, etag: `"${createHash("sha512").update(body).digest("hex").toUpperCase()}"` };
      etags.set(document, known);
    }
    return known;
  };

  const serveDiscovery = async (exchange: Exchange, answer: Answer, which: "core" | "named"): Promise<void> => {
    const wanted = negotiateDiscovery(exchange.header("accept"));
    const catalog = options.catalog();
    if (wanted === "legacy") {
      const document =
        which === "core" ? legacyAPIVersions(options.serverAddress()) : legacyGroupList(catalog.groups.filter(({ name }) => name !== ""));
      return sendDocument(answer, 200, document, jsonObject, { vary: "Accept" });
    }
    const { body, etag } = rendered(catalog.aggregated(which, wanted));
    const headers = { "content-type": `application/json;g=apidiscovery.k8s.io;v=${wanted};as=APIGroupDiscoveryList`, etag, vary: "Accept" };
    if (exchange.header("if-none-match") === etag) return exchange.send(304, headers, "");
    await sendBytes(answer, 200, jsonObject, [body], headers);
  };

  return async (exchange, answer) => {
    const { path } = exchange;
    if (exchange.method !== "GET" && exchange.method !== "HEAD") return false;
    if (path === "/api" || path === "/api/") return done(serveDiscovery(exchange, answer, "core"));
    if (path === "/apis" || path === "/apis/") return done(serveDiscovery(exchange, answer, "named"));
    if (path === "/version" || path === "/version/")
      return done(sendBytes(answer, 200, jsonObject, [Buffer.from(JSON.stringify(versionDocument(options.build), null, 2))]));
    if (path === "/metrics")
      return done(options.metrics.metrics().then((text) => exchange.send(200, { "content-type": options.metrics.contentType }, text)));
    if (/^\/(healthz|livez|readyz)(\/|$)/.test(path)) return serveHealth(exchange, options.health);
    if (path.startsWith("/openapi/")) return serveOpenAPI(exchange, answer, options.openapi);
    const wellKnown = options.wellKnown.find((document) => document.path === path);
    if (wellKnown !== undefined) {
      await exchange.send(200, { "content-type": wellKnown.contentType, "cache-control": "public, max-age=3600" }, await wellKnown.body());
      return true;
    }
    if (path === "/") return done(sendDocument(answer, 200, { paths: rootPaths(options) }));
    return serveGroup(exchange, answer, options.catalog());
  };
}

async function serveGroup(exchange: Exchange, answer: Answer, catalog: ResourceCatalog): Promise<boolean> {
  const segments = exchange.path.split("/").filter((segment) => segment !== "");
  if (segments[0] === "api" && segments.length === 2) return serveResourceList(answer, catalog, "", segments[1] as string);
  if (segments[0] !== "apis") return false;
  const group = catalog.group(segments[1] ?? "");
  if (group === undefined || group.name === "") return false;
  if (segments.length === 2) return done(sendDocument(answer, 200, legacyGroupDocument(group)));
  if (segments.length === 3) return serveResourceList(answer, catalog, group.name, segments[2] as string);
  return false;
}

async function serveResourceList(answer: Answer, catalog: ResourceCatalog, groupName: string, version: string): Promise<boolean> {
  const served = catalog.group(groupName)?.versions.find((candidate) => candidate.version === version);
  if (served === undefined) return false;
  return done(sendDocument(answer, 200, legacyResourceList(groupName, version, served.resources)));
}

async function serveHealth(exchange: Exchange, health: HealthChecks): Promise<boolean> {
  const [endpoint, ...rest] = exchange.path.slice(1).split("/");
  const only = rest.join("/");
  if (only !== "" && !health.names(endpoint as HealthEndpoint).includes(only)) return false;
  const report = await health.report(endpoint as HealthEndpoint, {
    ...(only !== "" && { only }),
    exclude: exchange.query.getAll("exclude"),
  });
  const isVerbose = exchange.query.has("verbose");
  await sendText(exchange, report.healthy ? 200 : 500, report.healthy && !isVerbose ? "ok" : report.text);
  return true;
}

async function serveOpenAPI(exchange: Exchange, answer: Answer, openapi: OpenAPISource): Promise<boolean> {
  const { path, query } = exchange;
  if (path === "/openapi/v2") {
    // The protobuf form is not made; a client that takes nothing else must not be given JSON.
    const accept = exchange.header("accept");
    const takesJSON =
      accept === undefined ||
      parseAccept(accept).some(({ type, subtype }) => (type === "*" || type === "application") && (subtype === "*" || subtype === "json"));
    if (!takesJSON) return done(sendText(exchange, 406, "406 not acceptable\n"));
    const swagger = await openapi.swagger();
    return swagger === undefined ? false : done(sendBytes(answer, 200, jsonObject, [swagger]));
  }
  if (path === "/openapi/v3" || path === "/openapi/v3/") return done(sendBytes(answer, 200, jsonObject, [await openapi.index()]));
  const key = path.slice("/openapi/v3/".length);
  const document = await openapi.document(key);
  if (document === undefined) return false;
  const hash = query.get("hash");
  if (hash !== null && hash !== document.hash) {
    await exchange.send(301, { location: `/openapi/v3/${key}?hash=${document.hash}` }, "");
    return true;
  }
  const etag = `"${document.hash}"`;
  const headers: Record<string, string> = { etag, vary: "Accept" };
  if (hash !== null) {
    headers["cache-control"] = "public, immutable";
    headers["expires"] = new Date(answer.nowMs() + yearMs).toUTCString();
  }
  if (exchange.header("if-none-match") === etag) return done(exchange.send(304, headers, ""));
  return done(sendBytes(answer, 200, jsonObject, [document.bytes], headers));
}

const yearMs = 365 * 24 * 3_600_000;

function rootPaths(options: DocumentOptions): string[] {
  const paths = [
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
    ...options.wellKnown.map(({ path }) => path),
  ];
  for (const group of options.catalog().groups) {
    if (group.name !== "") paths.push(`/apis/${group.name}`);
    for (const { version } of group.versions) paths.push(group.name === "" ? `/api/${version}` : `/apis/${group.name}/${version}`);
  }
  return paths.sort();
}

async function done(work: Promise<void>): Promise<true> {
  await work;
  return true;
}
