// The `kubernetes` service: how pods find the api-servers. Each api-server keeps a lease on its address; the endpoints are the living leases.
//
// Owns:  this server's lease, the objects service, endpoints and endpoint slice named `kubernetes` in namespace default.
// K1. An address leaves the endpoints when its lease ran out or its server stopped, and only then.
// Source: pkg/controlplane/reconcilers/lease.go, pkg/controlplane/controller/kubernetesservice.

import { cloneJSON, isStatusError, semanticEqual } from "@lenj/apimachinery";
import { type Clock, delay, type Logger } from "@lenj/base";
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import type { GroupResource, KubeObject, ObjectReader, ObjectWriter } from "../auth/ports.js";
import { parseIP } from "../core/ip-range.js";
import type { ObjectStorage } from "../core/storage.js";

const intervalMs = 10_000;
/** At the start of a cluster the namespace may not be there yet. */
const retryMs = 500;
const leaseSeconds = 15;
const services = { group: "", resource: "services" } as const;
const endpoints = { group: "", resource: "endpoints" } as const;
const endpointSlices = { group: "discovery.k8s.io", resource: "endpointslices" } as const;

export interface KubernetesServiceOptions {
  readonly storage: ObjectStorage;
  readonly keyRoot: string;
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** This server's address and port, as others reach it. */
  readonly address: string;
  readonly port: number;
  /** First address of the service range. */
  readonly clusterIP: string;
  /** 0: the service is not of type NodePort. */
  readonly nodePort: number;
}

export class KubernetesService {
  readonly #options: KubernetesServiceOptions;
  readonly #leaseKey: string;

  constructor(options: KubernetesServiceOptions) {
    this.#options = options;
    this.#leaseKey = `${options.keyRoot}masterleases/${options.address}`;
  }

  /** Keeps everything as it should be until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      let waitMs = intervalMs;
      try {
        await this.reconcile(signal);
      } catch (error) {
        waitMs = retryMs;
        if (!signal.aborted && !isStatusError(error, "NotFound")) logger.warn("Cannot reconcile the kubernetes service", { error });
      }
      await delay(clock, waitMs, signal).catch(() => {
        // Stopped: the loop's condition ends it.
      });
    }
  }

  async reconcile(signal: AbortSignal): Promise<void> {
    await this.#renewLease();
    await this.#ensureService(signal);
    await this.#writeEndpoints(await this.#livingAddresses(), signal);
  }

  /** Takes this server's address out at once, in place of waiting for its lease to end. */
  async leave(signal: AbortSignal): Promise<void> {
    const { storage } = this.#options;
    const { record } = await storage.get(this.#leaseKey, { signal });
    if (record !== undefined) await storage.delete(this.#leaseKey, record.revision, { signal });
    const others = await this.#livingAddresses();
    // Endpoints without an address help nobody: the last server leaves its own in place.
    if (others.length > 0) await this.#writeEndpoints(others, signal);
  }

  async #renewLease(): Promise<void> {
    const { storage, address } = this.#options;
    const value = Buffer.from(
      JSON.stringify({ kind: "Endpoints", apiVersion: "v1", metadata: {}, subsets: [{ addresses: [{ ip: address }] }] }),
    );
    const { record } = await storage.get(this.#leaseKey);
    const options = { ttlSeconds: leaseSeconds };
    const outcome =
      record === undefined
        ? await storage.create(this.#leaseKey, value, options)
        : await storage.replace(this.#leaseKey, value, record.revision, options);
    if (!outcome.done && outcome.current !== undefined) await storage.replace(this.#leaseKey, value, outcome.current.revision, options);
  }

  async #livingAddresses(): Promise<string[]> {
    const prefix = `${this.#options.keyRoot}masterleases/`;
    const { records } = await this.#options.storage.list({ prefix });
    return records.map(({ key }) => key.slice(prefix.length)).filter((address) => parseIP(address) !== undefined);
  }

  async #ensureService(signal: AbortSignal): Promise<void> {
    const { reader, clusterIP, nodePort, port } = this.#options;
    if (reader.get(services, "default", "kubernetes") !== undefined) return;
    const spec: corev1.ServiceSpec = {
      type: nodePort > 0 ? "NodePort" : "ClusterIP",
      clusterIP,
      ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: port, ...(nodePort > 0 && { nodePort }) }],
      sessionAffinity: "None",
    };
    const service: corev1.Service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
      spec,
    };
    await this.#create(services, service, signal);
  }

  async #writeEndpoints(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const { port } = this.#options;
    const sorted = [...addresses].sort();
    const metadata = { name: "kubernetes", namespace: "default", labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } };
    const subsets = [
      { addresses: sorted.map((ip) => ({ ip })), ports: [{ name: "https", port, protocol: "TCP" }] },
    ] as corev1.EndpointSubset[];
    await this.#write(endpoints, { apiVersion: "v1", kind: "Endpoints", metadata, subsets } as corev1.Endpoints, signal);
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "kubernetes", namespace: "default", labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: parseIP(sorted[0] ?? "")?.family ?? "IPv4",
      endpoints: sorted.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      ports: [{ name: "https", port, protocol: "TCP" }],
    } as discoveryv1.EndpointSlice;
    await this.#write(endpointSlices, slice, signal);
  }

  /** Creates the object, or brings everything but its metadata to the wanted state. */
  async #write(resource: GroupResource, wanted: KubeObject, signal: AbortSignal): Promise<void> {
    const present = this.#options.reader.get(resource, "default", "kubernetes");
    if (present === undefined) return this.#create(resource, wanted, signal);
    const next = {
      ...cloneJSON(wanted),
      metadata: { ...cloneJSON(present.metadata ?? {}), labels: { ...present.metadata?.labels, ...wanted.metadata?.labels } },
    };
    if (semanticEqual(withoutKind(next), withoutKind(present))) return;
    try {
      await this.#options.writer.update(resource, "default", next, signal);
    } catch (error) {
      // Another api-server wrote in between: the next round looks again.
      if (!isStatusError(error, "Conflict") && !isStatusError(error, "NotFound")) throw error;
    }
  }

  async #create(resource: GroupResource, object: KubeObject, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.writer.create(resource, "default", object, signal);
    } catch (error) {
      if (!isStatusError(error, "AlreadyExists")) throw error;
    }
  }
}

function withoutKind({ kind: _kind, apiVersion: _apiVersion, ...rest }: KubeObject): object {
  return rest;
}
