// Loops beside the requests: compaction, the kubernetes service, repair of allocations. All belong to one task group.
import type { TaskGroup } from "@lenj/base";
import { KubernetesService } from "./bootstrap/kubernetes-service.js";
import { formatIP, type IPRange, usableAddresses } from "./core/ip-range.js";
import type { CacheReader } from "./drivers/cache-reader.js";
import type { DirectWriter } from "./drivers/direct-writer.js";
import type { StoreFeed } from "./drivers/store-feed.js";
import type { ServerContext, ServerSettings } from "./server.js";
import { AllocationRepair } from "./services/repair.js";
import type { ServiceAllocators } from "./services/service-extension.js";

export interface BackgroundParts {
  readonly settings: ServerSettings;
  readonly context: ServerContext;
  readonly reader: CacheReader;
  readonly writer: DirectWriter;
  readonly feed: StoreFeed;
  readonly allocators: ServiceAllocators;
  readonly port: number;
}

/** Starts the loops once the caches are warm. The result takes this server out of the kubernetes service. */
export function startBackground(tasks: TaskGroup, parts: BackgroundParts): { leave: (signal: AbortSignal) => Promise<void> } {
  const { settings, context, reader, writer, feed, allocators } = parts;
  const { clock, logger } = context;
  const service = new KubernetesService({
    storage: settings.storage,
    keyRoot: settings.keyRoot,
    reader,
    writer,
    clock,
    logger,
    address: settings.advertiseAddress,
    port: parts.port,
    clusterIP: firstAddress(settings.serviceRanges[0] as IPRange),
    nodePort: settings.kubernetesServiceNodePort,
  });
  const repair = new AllocationRepair({ reader, allocators, clock, logger });
  const { compact } = settings;
  if (compact !== undefined) tasks.run("compactor", compact);
  tasks.run("kubernetes service", async (signal) => {
    await warm(feed, signal);
    await service.run(signal);
  });
  tasks.run("allocation repair", async (signal) => {
    await warm(feed, signal);
    await repair.run(signal);
  });
  return { leave: (signal) => service.leave(signal) };
}

function firstAddress(range: IPRange): string {
  return formatIP(usableAddresses(range).first, range.family);
}

export async function warm(feed: StoreFeed, signal: AbortSignal): Promise<void> {
  await Promise.race([
    feed.warm,
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    }),
  ]);
}
