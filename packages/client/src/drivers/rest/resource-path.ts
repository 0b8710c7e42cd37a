import type { GroupVersionResource } from "../../api-client.js";

export interface PathParts {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** "/apis/apps/v1/namespaces/default/deployments/web/status?dryRun=All" */
export function resourcePath(gvr: GroupVersionResource, parts: PathParts): string {
  const segments = gvr.group === "" ? ["api", gvr.version] : ["apis", gvr.group, gvr.version];
  if (parts.namespace !== undefined && parts.namespace !== "") segments.push("namespaces", parts.namespace);
  segments.push(gvr.resource);
  if (parts.name !== undefined && parts.name !== "") segments.push(parts.name);
  if (parts.subresource !== undefined && parts.subresource !== "") segments.push(...parts.subresource.split("/"));
  return `/${segments.map(encodeURIComponent).join("/")}${queryOf(parts.query ?? {})}`;
}

function queryOf(query: NonNullable<PathParts["query"]>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "" && value !== false && value !== 0) search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}
