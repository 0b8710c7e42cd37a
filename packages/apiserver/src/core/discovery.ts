// Discovery documents: which groups, versions and resources this server has, in the aggregated and in the legacy form.
// Source: k8s.io/apiserver pkg/endpoints/discovery, KEP-3352.
import { formatAPIVersion, type ResourceDeclaration, type Subresource, type Verb } from "@lenj/apimachinery";

export interface DiscoveryGroup {
  /** Empty for the core group. */
  readonly name: string;
  /** Preferred version first. */
  readonly versions: readonly { readonly version: string; readonly resources: readonly ResourceDeclaration[] }[];
}

/** Groups and versions in the order in which the declarations name them first. */
export function groupDeclarations(declarations: readonly ResourceDeclaration[]): DiscoveryGroup[] {
  const groups = new Map<string, Map<string, ResourceDeclaration[]>>();
  for (const declaration of declarations) {
    const { group, version } = declaration.gvk;
    const versions = groups.get(group) ?? new Map<string, ResourceDeclaration[]>();
    groups.set(group, versions);
    const resources = versions.get(version) ?? [];
    versions.set(version, resources);
    resources.push(declaration);
  }
  return [...groups].map(([name, versions]) => ({
    name,
    versions: [...versions].map(([version, resources]) => ({
      version,
      resources: [...resources].sort((a, b) => (a.plural < b.plural ? -1 : 1)),
    })),
  }));
}

/** The document at /api (core group only) or /apis (all others) in aggregated form. */
export function aggregatedDiscovery(groups: readonly DiscoveryGroup[], version: "v2" | "v2beta1"): object {
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { name: group.name, creationTimestamp: null },
      versions: group.versions.map((served) => ({
        version: served.version,
        resources: served.resources.map((declaration) => aggregatedResource(declaration)),
        freshness: "Current",
      })),
    })),
  };
}

function aggregatedResource(declaration: ResourceDeclaration): object {
  return {
    resource: declaration.plural,
    responseKind: { group: "", version: "", kind: declaration.gvk.kind },
    scope: declaration.scope,
    singularResource: declaration.singular,
    verbs: sorted(declaration.verbs),
    ...(declaration.shortNames.length > 0 && { shortNames: declaration.shortNames }),
    ...(declaration.categories.length > 0 && { categories: declaration.categories }),
    ...(declaration.subresources.length > 0 && { subresources: declaration.subresources.map(aggregatedSubresource) }),
  };
}

function aggregatedSubresource(subresource: Subresource): object {
  const { group, version, kind } = subresource.gvk;
  return {
    subresource: subresource.name,
    responseKind: subresource.foreignGroup ? { group, version, kind } : { group: "", version: "", kind },
    verbs: sorted(subresource.verbs),
  };
}

/** GET /api in legacy form. `serverAddress` is host:port. */
export function legacyAPIVersions(serverAddress: string): object {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress }] };
}

/** GET /apis in legacy form. */
export function legacyGroupList(groups: readonly DiscoveryGroup[]): object {
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map((group) => legacyGroup(group)) };
}

/** GET /apis/<group>. */
export function legacyGroupDocument(group: DiscoveryGroup): object {
  return { kind: "APIGroup", apiVersion: "v1", ...legacyGroup(group) };
}

function legacyGroup(group: DiscoveryGroup): object {
  const versions = group.versions.map(({ version }) => ({ groupVersion: formatAPIVersion(group.name, version), version }));
  return { name: group.name, versions, preferredVersion: versions[0] };
}

/** GET /api/v1 and /apis/<group>/<version>. */
export function legacyResourceList(group: string, version: string, resources: readonly ResourceDeclaration[]): object {
  return {
    kind: "APIResourceList",
    ...(group !== "" && { apiVersion: "v1" }),
    groupVersion: formatAPIVersion(group, version),
    resources: resources.flatMap((declaration) => [
      legacyResource(declaration),
      ...declaration.subresources.map((subresource) => legacySubresource(declaration, subresource)),
    ]),
  };
}

function legacyResource(declaration: ResourceDeclaration): object {
  return {
    name: declaration.plural,
    singularName: declaration.singular,
    namespaced: declaration.scope === "Namespaced",
    kind: declaration.gvk.kind,
    verbs: sorted(declaration.verbs),
    ...(declaration.shortNames.length > 0 && { shortNames: declaration.shortNames }),
    ...(declaration.categories.length > 0 && { categories: declaration.categories }),
    ...(declaration.storageVersionHash !== "" && { storageVersionHash: declaration.storageVersionHash }),
  };
}

function legacySubresource(declaration: ResourceDeclaration, subresource: Subresource): object {
  const { group, version, kind } = subresource.gvk;
  return {
    name: `${declaration.plural}/${subresource.name}`,
    singularName: "",
    namespaced: declaration.scope === "Namespaced",
    ...(subresource.foreignGroup && { group, version }),
    kind,
    verbs: sorted(subresource.verbs),
  };
}

function sorted(verbs: readonly Verb[]): Verb[] {
  return [...verbs].sort();
}
