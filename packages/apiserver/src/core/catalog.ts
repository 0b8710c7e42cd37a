// The resources this server has, by the names under which requests ask for them.
import {
  formatAPIVersion,
  type GroupVersionKind,
  type ResourceDeclaration,
  type StoragePlacement,
  type Subresource,
} from "@lenj/apimachinery";
import { aggregatedDiscovery, type DiscoveryGroup, groupDeclarations } from "./discovery.js";

/** What a request is addressed to. */
export interface Endpoint {
  readonly declaration: ResourceDeclaration;
  readonly subresource: Subresource | undefined;
}

/** One place in the store, which several served resources may share (events, autoscalers). */
export interface StoredResource {
  readonly placement: StoragePlacement;
  readonly scope: "Namespaced" | "Cluster";
  /** The declaration whose served form is the stored one. */
  readonly declaration: ResourceDeclaration;
}

export class ResourceCatalog {
  readonly declarations: readonly ResourceDeclaration[];
  readonly groups: readonly DiscoveryGroup[];
  readonly stored: readonly StoredResource[];
  readonly #byName = new Map<string, ResourceDeclaration>();
  readonly #byGroupResource = new Map<string, ResourceDeclaration>();
  readonly #groupVersions = new Set<string>();
  readonly #aggregated = new Map<string, object>();

  constructor(declarations: readonly ResourceDeclaration[]) {
    this.declarations = declarations;
    this.groups = groupDeclarations(declarations);
    const stored = new Map<string, StoredResource>();
    for (const declaration of declarations) {
      const { group, version } = declaration.gvk;
      this.#byName.set(`${formatAPIVersion(group, version)}/${declaration.plural}`, declaration);
      this.#groupVersions.add(formatAPIVersion(group, version));
      const groupResource = `${group}/${declaration.plural}`;
      if (!this.#byGroupResource.has(groupResource)) this.#byGroupResource.set(groupResource, declaration);
      const placement = declaration.storage;
      if (placement === undefined) continue;
      if (!stored.has(placement.prefix) || placement.conversion === undefined)
        stored.set(placement.prefix, { placement, scope: declaration.scope, declaration });
    }
    this.stored = [...stored.values()];
  }

  find(group: string, version: string, resource: string): ResourceDeclaration | undefined {
    return this.#byName.get(`${formatAPIVersion(group, version)}/${resource}`);
  }

  /** The first served version of a resource. */
  preferred(group: string, resource: string): ResourceDeclaration | undefined {
    return this.#byGroupResource.get(`${group}/${resource}`);
  }

  byKind(kind: GroupVersionKind): ResourceDeclaration | undefined {
    return this.declarations.find(({ gvk }) => gvk.kind === kind.kind && gvk.group === kind.group && gvk.version === kind.version);
  }

  hasGroupVersion(group: string, version: string): boolean {
    return this.#groupVersions.has(formatAPIVersion(group, version));
  }

  hasGroup(group: string): boolean {
    return this.groups.some(({ name }) => name === group);
  }

  group(name: string): DiscoveryGroup | undefined {
    return this.groups.find((group) => group.name === name);
  }

  aggregated(which: "core" | "named", version: "v2" | "v2beta1"): object {
    const key = `${which}/${version}`;
    let document = this.#aggregated.get(key);
    if (document === undefined) {
      document = aggregatedDiscovery(
        this.groups.filter(({ name }) => (name === "") === (which === "core")),
        version,
      );
      this.#aggregated.set(key, document);
    }
    return document;
  }
}

export function findSubresource(declaration: ResourceDeclaration, name: string): Subresource | undefined {
  return declaration.subresources.find((subresource) => subresource.name === name);
}
