// A whole server without sockets: handlers, caches and the feed on a store in memory. For tests.

import type { ResourceDeclaration } from "@lenj/apimachinery";
import { createSchemaRegistry, type SchemaTable } from "@lenj/apimachinery/schema";
import { type Logger, SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { loadSchemaTable } from "@lenj/proto/k8s-schema";
import { AdmissionChain } from "../admission/chain.js";
import type { AdmissionPlugin } from "../admission/ports.js";
import { ResourceCatalog } from "../core/catalog.js";
import { WatchCache } from "../core/watch-cache.js";
import { CacheReader } from "../drivers/cache-reader.js";
import { DirectWriter } from "../drivers/direct-writer.js";
import { SchemaCodec } from "../drivers/schema-codec.js";
import { StoreFeed } from "../drivers/store-feed.js";
import { actionHandlers } from "../handlers/actions.js";
import { type Call, Warnings } from "../handlers/call.js";
import type { ResourceExtension } from "../handlers/extension.js";
import type { Machine } from "../handlers/machine.js";
import { ObjectStore } from "../handlers/object-store.js";
import { preservingTracker } from "../handlers/preserve-managed-fields.js";
import { testDeclarations } from "./declarations.js";
import { MemoryStorage } from "./memory-storage.js";

export interface TestMachineOptions {
  readonly declarations?: readonly ResourceDeclaration[];
  readonly plugins?: readonly AdmissionPlugin[];
  readonly logger?: Logger;
  readonly storage?: MemoryStorage;
}

export interface TestMachine extends AsyncDisposable {
  readonly machine: Machine;
  readonly storage: MemoryStorage;
  readonly clock: ManualClock;
  readonly reader: CacheReader;
  readonly writer: DirectWriter;
  readonly extensions: Map<string, ResourceExtension>;
  call(resource: string, about?: { namespace?: string; name?: string; subresource?: string; signal?: AbortSignal }): Call;
  /** Resolves once the caches have everything that was written. */
  caughtUp(): Promise<void>;
  close(): Promise<void>;
}

let schemas: ReturnType<typeof createSchemaRegistry> | undefined;

export async function startTestMachine(options: TestMachineOptions = {}): Promise<TestMachine> {
  const clock = new ManualClock();
  const random = new SeededRandom(1);
  const logger = options.logger ?? silentLogger;
  const storage = options.storage ?? new MemoryStorage();
  const catalog = new ResourceCatalog(options.declarations ?? testDeclarations);
  schemas ??= createSchemaRegistry(loadSchemaTable() as SchemaTable);
  const codec = new SchemaCodec({
    schemas,
    storageMediaType: "application/vnd.kubernetes.protobuf",
    defaultsOf: (kind) => catalog.byKind(kind)?.defaults,
  });
  const keyRoot = "/registry/";
  const fed = catalog.stored.map((stored) => ({ stored, cache: new WatchCache({ clock }) }));
  const stores = new Map(
    fed.map(({ stored, cache }) => [stored.placement.prefix, new ObjectStore({ stored, cache, codec, storage, keyRoot })]),
  );
  const feed = new StoreFeed({ storage, codec, clock, logger, keyRoot, caches: fed });
  const extensions = new Map<string, ResourceExtension>();
  const machine: Machine = {
    clock,
    random,
    logger,
    catalog,
    codec,
    storage,
    stores,
    freshness: feed,
    extensions,
    admission: new AdmissionChain(options.plugins ?? []),
    managedFields: preservingTracker,
    reviews: new Map(),
    actions: actionHandlers,
    proxies: new Map(),
  };
  feed.start();
  await feed.warm;
  const close = (): Promise<void> => feed.close();
  return {
    machine,
    storage,
    clock,
    extensions,
    reader: new CacheReader(catalog, stores),
    writer: new DirectWriter(machine),
    call: (resource, about = {}) => {
      const declaration = catalog.declarations.find(({ plural }) => plural === resource) as ResourceDeclaration;
      return {
        endpoint: { declaration, subresource: declaration.subresources.find(({ name }) => name === about.subresource) },
        namespace: about.namespace ?? (declaration.scope === "Namespaced" ? "default" : ""),
        name: about.name ?? "",
        user: { username: "tester", groups: ["system:authenticated"] },
        userAgent: "tester/1",
        auditID: "audit",
        signal: about.signal ?? new AbortController().signal,
        warnings: new Warnings(),
      };
    },
    caughtUp: async () => {
      // The watch in memory delivers within a few turns of the loop.
      while (feed.revision < storage.revision) await new Promise<void>((resolve) => setImmediate(resolve));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
