// What services have allocated: cluster IPs and node ports, taken before the service is written and given back when it is not.
// Source: pkg/registry/core/service/storage (alloc.go, storage.go).
import { type FieldError, field, type KubernetesObject, newInternalError, newInvalid } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { parseIP } from "../core/ip-range.js";
import type { FinishWrite, ResourceExtension } from "../handlers/extension.js";
import { type AddressAllocator, type AddressOwner, AllocationError } from "./address-allocator.js";
import type { PortAllocator } from "./port-allocator.js";

export interface ServiceAllocators {
  /** The primary family first. */
  readonly addresses: readonly AddressAllocator[];
  readonly ports: PortAllocator;
}

type Spec = corev1.ServiceSpec;

const kind = { group: "", kind: "Service" } as const;

export function createServiceExtension(allocators: ServiceAllocators): ResourceExtension {
  const run = async (object: KubernetesObject, old: KubernetesObject | undefined, dryRun: boolean): Promise<FinishWrite> => {
    const service = object as corev1.Service;
    const transaction = new Allocation(allocators, service, (old as corev1.Service | undefined)?.spec, dryRun);
    try {
      await transaction.take();
    } catch (error) {
      await transaction.finish(false);
      throw error;
    }
    return (committed) => transaction.finish(committed);
  };
  return {
    beginCreate: (object, _call, dryRun) => run(object, undefined, dryRun),
    beginUpdate: (object, old, _call, dryRun) => run(object, old, dryRun),
    afterDelete: async (object) => {
      const { spec } = object as corev1.Service;
      await Promise.all(addressesOf(spec).map((address) => release(allocators, address)));
      await allocators.ports.release(portsOf(spec));
    },
  };
}

/** One write's changes of what is allocated. */
class Allocation {
  readonly #taken: { addresses: string[]; ports: number[] } = { addresses: [], ports: [] };

  constructor(
    private readonly allocators: ServiceAllocators,
    private readonly service: corev1.Service,
    private readonly before: Spec | undefined,
    private readonly dryRun: boolean,
  ) {}

  async take(): Promise<void> {
    const spec = (this.service.spec ??= {});
    keepFromBefore(spec, this.before);
    if (spec.type === "ExternalName") return;
    chooseFamilies(spec, this.allocators);
    await this.#takeAddresses(spec);
    await this.#takePorts(spec);
  }

  /** Gives back what a failed write took, or what a successful one no longer needs. */
  async finish(committed: boolean): Promise<void> {
    if (this.dryRun) return;
    const kept = committed
      ? { addresses: addressesOf(this.service.spec), ports: portsOf(this.service.spec) }
      : { addresses: addressesOf(this.before), ports: portsOf(this.before) };
    const held = committed ? { addresses: addressesOf(this.before), ports: portsOf(this.before) } : this.#taken;
    await Promise.all(
      held.addresses.filter((address) => !kept.addresses.includes(address)).map((address) => release(this.allocators, address)),
    );
    const ports = held.ports.filter((port) => !kept.ports.includes(port));
    if (ports.length > 0) await this.allocators.ports.release(ports);
  }

  async #takeAddresses(spec: Spec): Promise<void> {
    if (spec.clusterIP === "None" || spec.clusterIPs?.[0] === "None") {
      spec.clusterIP = "None";
      spec.clusterIPs = ["None"];
      return;
    }
    const owner: AddressOwner = { namespace: this.service.metadata?.namespace ?? "", name: this.service.metadata?.name ?? "" };
    const held = addressesOf(this.before);
    const addresses: string[] = [];
    for (const [position, family] of (spec.ipFamilies ?? []).entries()) {
      const allocator = this.allocators.addresses.find(({ range }) => range.family === family) as AddressAllocator;
      const wanted = spec.clusterIPs?.[position];
      if (wanted !== undefined && held.includes(wanted)) addresses.push(wanted);
      else addresses.push(await this.#takeAddress(allocator, wanted, { owner, position }));
    }
    spec.clusterIPs = addresses;
    if (addresses[0] !== undefined) spec.clusterIP = addresses[0];
  }

  async #takeAddress(
    allocator: AddressAllocator,
    wanted: string | undefined,
    about: { owner: AddressOwner; position: number },
  ): Promise<string> {
    try {
      const address =
        wanted === undefined || wanted === ""
          ? await allocator.takeAny(about.owner, this.dryRun)
          : (await allocator.take(wanted, about.owner, this.dryRun), wanted);
      if (!this.dryRun) this.#taken.addresses.push(address);
      return address;
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      if (error.code === "FULL") throw newInternalError(new Error(`failed to allocate a serviceIP: ${error.message}`));
      throw this.#invalid(
        field.invalid("spec.clusterIPs", this.service.spec?.clusterIPs, `failed to allocate IP ${wanted ?? ""}: ${error.message}`),
      );
    }
  }

  async #takePorts(spec: Spec): Promise<void> {
    const usesPorts = spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
    const held = new Set(portsOf(this.before));
    const here = new Set<number>();
    for (const [position, port] of (spec.ports ?? []).entries()) {
      if (!port.nodePort && !usesPorts) continue;
      // The same number serves several protocols of one service.
      const twin = spec.ports?.find(
        (other, at) => at < position && other.port === port.port && other.protocol !== port.protocol && other.nodePort,
      );
      if (!port.nodePort && twin?.nodePort) port.nodePort = twin.nodePort;
      else if (!port.nodePort) port.nodePort = await this.#takeAnyPort();
      else if (!held.has(port.nodePort) && !here.has(port.nodePort))
        await this.#takePort(port.nodePort, `spec.ports[${position}].nodePort`);
      here.add(port.nodePort as number);
    }
    if (spec.type !== "LoadBalancer" || spec.externalTrafficPolicy !== "Local") return;
    if (!spec.healthCheckNodePort) spec.healthCheckNodePort = await this.#takeAnyPort();
    else if (!held.has(spec.healthCheckNodePort)) await this.#takePort(spec.healthCheckNodePort, "spec.healthCheckNodePort");
  }

  async #takePort(port: number, path: string): Promise<void> {
    try {
      await this.allocators.ports.take([port], this.dryRun);
      if (!this.dryRun) this.#taken.ports.push(port);
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      throw this.#invalid(field.invalid(path, port, error.message));
    }
  }

  async #takeAnyPort(): Promise<number> {
    try {
      const port = await this.allocators.ports.takeAny(this.dryRun);
      if (!this.dryRun) this.#taken.ports.push(port);
      return port;
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      throw newInternalError(new Error(`failed to allocate a nodePort: ${error.message}`));
    }
  }

  #invalid(error: FieldError): Error {
    return newInvalid(kind, this.service.metadata?.name ?? "", [error]);
  }
}

/** An update that leaves the addresses out means the present ones. */
function keepFromBefore(spec: Spec, before: Spec | undefined): void {
  if (before === undefined || spec.type === "ExternalName" || before.type === "ExternalName") return;
  if (!spec.clusterIP && (spec.clusterIPs ?? []).length === 0) {
    spec.clusterIP = before.clusterIP;
    spec.clusterIPs = before.clusterIPs;
  }
  spec.ipFamilies ??= before.ipFamilies;
  spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
  for (const port of spec.ports ?? []) {
    if (port.nodePort || (spec.type !== "NodePort" && spec.type !== "LoadBalancer")) continue;
    const known = before.ports?.find(
      (candidate) => candidate.port === port.port && (candidate.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    )?.nodePort;
    if (known && !(spec.ports ?? []).some((other) => other !== port && other.nodePort === known && other.protocol === port.protocol))
      port.nodePort = known;
  }
}

function chooseFamilies(spec: Spec, { addresses }: ServiceAllocators): void {
  const served = addresses.map(({ range }) => range.family);
  if (spec.clusterIP && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [spec.clusterIP];
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
  const named = (spec.clusterIPs ?? []).flatMap((address) => parseIP(address)?.family ?? []);
  // A headless service without selector may have endpoints of any family. Source: alloc.go defaultOnWrite.
  spec.ipFamilyPolicy ??= (spec.ipFamilies ?? []).length > 1 || named.length > 1 ? "RequireDualStack" : "SingleStack";
  const families = spec.ipFamilies ?? (named.length > 0 ? named : served.slice(0, 1));
  const unserved = families.find((family) => !served.includes(family as (typeof served)[number]));
  if (unserved !== undefined) throw newInvalid(kind, "", [field.invalid("spec.ipFamilies[0]", unserved, "not configured on this cluster")]);
  if (spec.ipFamilyPolicy === "RequireDualStack" && served.length < 2) {
    throw newInvalid(kind, "", [
      field.invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, "this cluster is not configured for dual-stack services"),
    ]);
  }
  if (spec.ipFamilyPolicy !== "SingleStack") for (const family of served) if (!families.includes(family)) families.push(family);
  spec.ipFamilies = spec.ipFamilyPolicy === "SingleStack" ? families.slice(0, 1) : families;
}

export function addressesOf(spec: Spec | undefined): string[] {
  if (spec === undefined || spec.type === "ExternalName") return [];
  const all = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  return all.filter((address) => address !== "" && address !== "None");
}

export function portsOf(spec: Spec | undefined): number[] {
  const ports = (spec?.ports ?? []).flatMap(({ nodePort }) => (nodePort ? [nodePort] : []));
  return [...new Set(spec?.healthCheckNodePort ? [...ports, spec.healthCheckNodePort] : ports)];
}

async function release({ addresses }: ServiceAllocators, address: string): Promise<void> {
  const family = parseIP(address)?.family;
  await addresses.find(({ range }) => range.family === family)?.release(address);
}
