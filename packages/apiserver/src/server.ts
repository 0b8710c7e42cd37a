// Puts the api-server together: store, caches, handlers, fronts; and takes it apart in the opposite order.
//
// Owns:  every part it creates; close() ends them all.
// Not:   flags and files (see main.ts).
import { setMaxListeners } from "node:events";
import type { ResourceDeclaration } from "@lenj/apimachinery";
import { generateUID } from "@lenj/apimachinery";
import { createSchemaRegistry, type DescriptionTable, type SchemaTable } from "@lenj/apimachinery/schema";
import { type Clock, delay, type Logger, type Random, TaskGroup } from "@lenj/base";
import type { HealthChecks } from "@lenj/component-base";
import type { Registry } from "prom-client";
import { AdmissionChain } from "./admission/chain.js";
import { createAdmission } from "./admission/index.js";
import type { AdmissionDependencies } from "./admission/ports.js";
import type { AuthModule } from "./auth/ports.js";
import { startBackground, warm } from "./background.js";
import { systemObjectHooks } from "./bootstrap/system-objects.js";
import { ResourceCatalog } from "./core/catalog.js";
import type { IPRange } from "./core/ip-range.js";
import type { PortRange } from "./core/port-bitmap.js";
import type { ObjectStorage } from "./core/storage.js";
import type { BuildFacts } from "./core/version.js";
import { WatchCache } from "./core/watch-cache.js";
import { CacheReader } from "./drivers/cache-reader.js";
import { DirectWriter } from "./drivers/direct-writer.js";
import { type GrpcServer, listenGrpc } from "./drivers/grpc-server.js";
import { HTTPServer } from "./drivers/http-server.js";
import { createOpenAPISource, fingerprintOf } from "./drivers/openapi-documents.js";
import { SchemaCodec, type StorageMediaType } from "./drivers/schema-codec.js";
import { StoreFeed } from "./drivers/store-feed.js";
import { UpgradeExchange } from "./drivers/upgrade-exchange.js";
import { createResourceService } from "./grpc/resource-service.js";
import { actionHandlers } from "./handlers/actions.js";
import type { ResourceExtension } from "./handlers/extension.js";
import type { Machine } from "./handlers/machine.js";
import { createNamespaceExtension } from "./handlers/namespaces.js";
import { ObjectStore } from "./handlers/object-store.js";
import { preservingTracker } from "./handlers/preserve-managed-fields.js";
import { createProxies, type KubeletAccess } from "./proxy/subresource-proxies.js";
import { createDocumentHandler } from "./rest/documents.js";
import { Pipeline } from "./rest/pipeline.js";
import { createRequestMetrics } from "./rest/request-metrics.js";
import { AddressAllocator } from "./services/address-allocator.js";
import { PortAllocator } from "./services/port-allocator.js";
import { createServiceExtension, type ServiceAllocators } from "./services/service-extension.js";

export interface ServerContext {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Registry;
  readonly health: HealthChecks;
}

export interface ServerTLS {
  readonly cert: string;
  readonly key: string;
  readonly clientCA: string | undefined;
}

export interface ServerSettings {
  readonly declarations: readonly ResourceDeclaration[];
  readonly schemaTable: SchemaTable;
  readonly loadDescriptions: () => Promise<DescriptionTable>;
  readonly storage: ObjectStorage;
  /** Ends with a slash. */
  readonly keyRoot: string;
  readonly storageMediaType: StorageMediaType;
  readonly address: string;
  readonly port: number;
  readonly tls: ServerTLS;
  readonly createAuth: (tools: { readonly reader: CacheReader }) => Promise<AuthModule>;
  readonly admission: Pick<AdmissionDependencies, "enabled" | "disabled" | "tolerationSeconds">;
  readonly allowAnonymous: boolean;
  readonly alwaysAllowPaths: readonly string[];
  readonly maxRequestsInFlight: number;
  readonly maxMutatingRequestsInFlight: number;
  readonly requestTimeoutMs: number;
  readonly advertiseAddress: string;
  readonly build: BuildFacts;
  /** Undefined: no gRPC front. */
  readonly grpcPort: number | undefined;
  readonly kubelets: KubeletAccess;
  /** The primary family first; at least one. */
  readonly serviceRanges: readonly IPRange[];
  readonly nodePortRange: PortRange;
  readonly kubernetesServiceNodePort: number;
  /** Compacts the store until aborted; undefined: nobody here does. */
  readonly compact: ((signal: AbortSignal) => Promise<void>) | undefined;
  readonly shutdownDelayMs: number;
  /** How long resources that expire are kept. */
  readonly eventTTLSeconds: number;
}

export interface RunningServer {
  readonly port: number;
  readonly grpcPort: number | undefined;
  readonly machine: Machine;
  readonly pipeline: Pipeline;
  /** Resolves when the server cannot go on. */
  readonly failed: Promise<Error>;
  replaceCertificate(tls: ServerTLS): void;
  /** Fails readiness, ends watches, lets requests in work finish, closes everything. */
  close(): Promise<void>;
}

/** Requests in work at the end get this long. */
const drainTimeoutMs = 10_000;
/** The store may be gone already at the end; nobody waits long for it. */
const leaveTimeoutMs = 3_000;

export async function startServer(settings: ServerSettings, context: ServerContext): Promise<RunningServer> {
  const { clock, logger, random, health, metrics } = context;
  const catalog = new ResourceCatalog(settings.declarations.map((declaration) => withEventTTL(declaration, settings.eventTTLSeconds)));
  const schemas = createSchemaRegistry(settings.schemaTable);
  const codec = new SchemaCodec({
    schemas,
    storageMediaType: settings.storageMediaType,
    defaultsOf: (kind) => catalog.byKind(kind)?.defaults,
  });
  const fed = catalog.stored.map((stored) => ({ stored, cache: new WatchCache({ clock }) }));
  const stores = new Map(
    fed.map(({ stored, cache }) => [
      stored.placement.prefix,
      new ObjectStore({ stored, cache, codec, storage: settings.storage, keyRoot: settings.keyRoot }),
    ]),
  );
  const feed = new StoreFeed({ storage: settings.storage, codec, clock, logger, keyRoot: settings.keyRoot, caches: fed });
  const reader = new CacheReader(catalog, stores);
  const auth = await settings.createAuth({ reader });
  const admission = createAdmission({ reader, authorizer: auth.authorizer, ...settings.admission });
  const extensions = new Map<string, ResourceExtension>();
  const machine: Machine = {
    clock,
    random,
    logger,
    catalog,
    codec,
    storage: settings.storage,
    stores,
    freshness: feed,
    admission: new AdmissionChain(admission.plugins),
    managedFields: preservingTracker,
    reviews: auth.reviews,
    actions: actionHandlers,
    proxies: createProxies(reader, settings.kubelets),
    extensions,
  };
  const writer = new DirectWriter(machine);
  const allocators: ServiceAllocators = {
    addresses: settings.serviceRanges.map((range) => new AddressAllocator(range, { reader, writer, random })),
    ports: new PortAllocator(settings.nodePortRange, { storage: settings.storage, codec, random, keyRoot: settings.keyRoot }),
  };
  extensions.set("/services", createServiceExtension(allocators));
  const namespaces = catalog.preferred("", "namespaces");
  if (namespaces !== undefined) extensions.set("/namespaces", createNamespaceExtension(namespaces));
  const requestMetrics = createRequestMetrics(metrics, {
    watchers: () => fed.reduce((sum, { cache }) => sum + cache.watcherCount, 0),
    inFlight: () => pipeline.inFlight,
  });
  const pipeline: Pipeline = new Pipeline({
    machine,
    authenticator: auth.authenticator,
    authorizer: auth.authorizer,
    nonResource: createDocumentHandler({
      catalog: () => catalog,
      openapi: createOpenAPISource({
        registry: schemas,
        catalog,
        loadDescriptions: settings.loadDescriptions,
        fingerprint: fingerprintOf(JSON.stringify(settings.schemaTable)),
      }),
      build: settings.build,
      health,
      metrics,
      serverAddress: () => `${settings.advertiseAddress}:${settings.port}`,
      wellKnown: auth.documents,
    }),
    maxRequestsInFlight: settings.maxRequestsInFlight,
    maxMutatingRequestsInFlight: settings.maxMutatingRequestsInFlight,
    requestTimeoutMs: settings.requestTimeoutMs,
    allowAnonymous: settings.allowAnonymous,
    alwaysAllowPaths: settings.alwaysAllowPaths,
    metrics: requestMetrics,
    newAuditID: () => generateUID(random),
  });
  let isStopping = false;
  registerHealth(health, settings, { feed, isStopping: () => isStopping });
  const tasks = new TaskGroup();
  // One listener a background loop is no leak.
  setMaxListeners(0, tasks.signal);
  feed.start();
  const http = await HTTPServer.listen({
    address: settings.address,
    port: settings.port,
    tls: settings.tls,
    onRequest: (exchange) => pipeline.serve(exchange),
    onUpgrade: (request, socket, head) => {
      const exchange = new UpgradeExchange(request, socket, head);
      pipeline.serve(exchange).catch(() => socket.destroy());
    },
  });
  const grpc: GrpcServer | undefined =
    settings.grpcPort === undefined
      ? undefined
      : await listenGrpc({
          address: settings.address,
          port: settings.grpcPort,
          tls: settings.tls,
          service: createResourceService(machine, pipeline),
        });
  logger.info("Serving", { address: settings.address, port: http.port, grpcPort: grpc?.port });
  const background = startBackground(tasks, { settings, context, reader, writer, feed, allocators, port: http.port });
  runHooks(tasks, [...systemObjectHooks(settings.serviceRanges), ...auth.hooks, ...admission.hooks], {
    reader,
    writer,
    feed,
    health,
    context,
  });
  let closed: Promise<void> | undefined;
  return {
    port: http.port,
    machine,
    pipeline,
    failed: Promise.race([feed.failed, tasks.failed]),
    grpcPort: grpc?.port,
    replaceCertificate: (tls) => {
      http.replaceCertificate(tls);
      grpc?.replaceCertificate(tls);
    },
    close: () =>
      (closed ??= (async () => {
        isStopping = true;
        await tasks.close();
        await background
          .leave(AbortSignal.timeout(leaveTimeoutMs))
          .catch((error: unknown) => logger.warn("Cannot leave the kubernetes service", { error }));
        if (settings.shutdownDelayMs > 0) await delay(clock, settings.shutdownDelayMs);
        grpc?.stopAccepting();
        for (const { cache } of fed) cache.endWatchers();
        http.stopAccepting();
        await drained(pipeline, clock);
        await grpc?.close();
        await http.close();
        await feed.close();
        await admission.close();
        await auth.close();
      })()),
  };
}

function registerHealth(health: HealthChecks, settings: ServerSettings, state: { feed: StoreFeed; isStopping: () => boolean }): void {
  health.register("etcd", async () => {
    await settings.storage.get(`${settings.keyRoot}health`, { signal: AbortSignal.timeout(2_000) });
  });
  health.register("log", () => {});
  health.register("informer-sync", () => {
    if (!state.feed.isWarm) throw new Error("caches are not filled yet");
  }, ["readyz"]);
  health.register("shutdown", () => {
    if (state.isStopping()) throw new Error("process is shutting down");
  }, ["readyz"]);
}

interface HookTools {
  readonly reader: CacheReader;
  readonly writer: DirectWriter;
  readonly feed: StoreFeed;
  readonly health: HealthChecks;
  readonly context: ServerContext;
}

const hookRetryMs = 1_000;

/** Each hook runs until it succeeds once; readiness waits for all of them. */
function runHooks(tasks: TaskGroup, hooks: AuthModule["hooks"], tools: HookTools): void {
  for (const hook of hooks) {
    let isDone = false;
    tools.health.register(`poststarthook/${hook.name}`, () => {
      if (!isDone) throw new Error("not finished");
    });
    tasks.run(hook.name, async (signal) => {
      await warm(tools.feed, signal);
      while (!signal.aborted) {
        try {
          await hook.run({ reader: tools.reader, writer: tools.writer, signal });
          isDone = true;
          return;
        } catch (error) {
          if (signal.aborted) return;
          tools.context.logger.warn("Post-start hook failed, trying again", { hook: hook.name, error });
          await delay(tools.context.clock, hookRetryMs, signal).catch(() => {
            // Stopped: the loop's condition ends it.
          });
        }
      }
    });
  }
}

function withEventTTL(declaration: ResourceDeclaration, ttlSeconds: number): ResourceDeclaration {
  const { storage } = declaration;
  return storage?.ttlSeconds === undefined ? declaration : { ...declaration, storage: { ...storage, ttlSeconds } };
}

async function drained(pipeline: Pipeline, clock: Clock): Promise<void> {
  const endMs = clock.monotonicMs() + drainTimeoutMs;
  while (pipeline.inFlight > 0 && clock.monotonicMs() < endMs) await delay(clock, 20);
}
