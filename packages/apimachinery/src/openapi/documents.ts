// OpenAPI v3: one document per group and version, built when first asked for, and the index that names them with their hashes.
//
// Owns:  the documents built so far.
// O4. A document's hash is a function of its inputs (schema table, resources), so the index needs no document.
// O5. Documents of groups whose resources did not change survive `replace`.
// Source: k8s.io/kube-openapi pkg/handler3; https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3.
import { createHash } from "node:crypto";
import { formatAPIVersion, type GroupVersionKind } from "../meta/object.js";
import type { DescriptionTable } from "../schema/table.js";
import type { SchemaRegistry, StructSchema } from "../schema/types.js";
import { customDefinitions, customName } from "./custom.js";
import { groupWord, type OpenAPIResource, type PathItem, resourcePaths, tagOf } from "./paths.js";
import { collectSchemas, type OpenAPISchema } from "./schemas.js";

export interface OpenAPIOptions {
  readonly registry: SchemaRegistry;
  readonly descriptions: DescriptionTable;
  /** Names the content of registry and descriptions; part of every hash. */
  readonly fingerprint: string;
  readonly resources: readonly OpenAPIResource[];
}

export interface OpenAPIDocument {
  /** JSON, UTF-8. */
  readonly bytes: Buffer;
  /** SHA-512 in upper-case hex. */
  readonly hash: string;
}

export interface OpenAPIIndex {
  readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>;
}

interface GroupEntry {
  readonly resources: readonly OpenAPIResource[];
  readonly hash: string;
  bytes: Buffer | undefined;
}

export class OpenAPIDocuments {
  readonly #options: Omit<OpenAPIOptions, "resources">;
  #groups: ReadonlyMap<string, GroupEntry> = new Map();
  #index: OpenAPIIndex = { paths: {} };

  constructor({ resources, ...options }: OpenAPIOptions) {
    this.#options = options;
    this.replace(resources);
  }

  /** Body of `GET /openapi/v3`. Keys are "api/v1", "apis/apps/v1"…, in the order of the resources. */
  index(): OpenAPIIndex {
    return this.#index;
  }

  /** `key` as in the index. */
  document(key: string): OpenAPIDocument | undefined {
    const entry = this.#groups.get(key);
    if (entry === undefined) return undefined;
    entry.bytes ??= Buffer.from(JSON.stringify(this.#build(key, entry.resources)));
    return { bytes: entry.bytes, hash: entry.hash };
  }

  /** Takes a new list of resources, after a custom resource definition came or went. */
  replace(resources: readonly OpenAPIResource[]): void {
    const byKey = new Map<string, OpenAPIResource[]>();
    for (const resource of resources) {
      const key = groupKey(resource.gvk);
      const list = byKey.get(key);
      if (list === undefined) byKey.set(key, [resource]);
      else list.push(resource);
    }
    const groups = new Map<string, GroupEntry>();
    for (const [key, list] of byKey) {
      const hash = this.#hash(list);
      const old = this.#groups.get(key);
      groups.set(key, { resources: list, hash, bytes: old?.hash === hash ? old.bytes : undefined });
    }
    this.#groups = groups;
    this.#index = {
      paths: Object.fromEntries([...groups].map(([key, { hash }]) => [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${hash}` }])),
    };
  }

  #hash(resources: readonly OpenAPIResource[]): string {
    const facts = resources.map(({ gvk, listKind, plural, scope, verbs, subresources, returnsDeletedObject, definition }) => [
      gvk,
      listKind,
      plural,
      scope,
      verbs,
      subresources.map((subresource) => [subresource.name, subresource.gvk, subresource.verbs]),
      returnsDeletedObject === true,
      definition ?? null,
    ]);
    const text = JSON.stringify([formatVersion, this.#options.fingerprint, facts]);
    return createHash("sha512").update(text).digest("hex").toUpperCase();
  }

  #build(key: string, resources: readonly OpenAPIResource[]): unknown {
    const { registry, descriptions } = this.#options;
    const roots = new Set<string>();
    const custom: Record<string, OpenAPISchema> = {};
    const nameOf = (gvk: GroupVersionKind): string => {
      const name = registry.kind(gvk)?.name ?? customName(gvk);
      roots.add(name);
      return name;
    };
    const paths = new Map<string, PathItem>(groupPath(key, resources));
    for (const resource of resources) {
      for (const [path, item] of resourcePaths(resource, resource.definition === undefined ? nameOf : customName)) paths.set(path, item);
      if (resource.definition !== undefined) Object.assign(custom, customDefinitions(resource));
    }
    for (const name of referencesIn([...paths.values(), custom])) if (custom[name] === undefined) roots.add(name);
    const extraKinds = (type: StructSchema): readonly GroupVersionKind[] => kindsOfType(type, resources[0]?.gvk);
    const schemas = collectSchemas(
      { registry, descriptions, refPrefix, extraKinds },
      [...roots].filter((name) => custom[name] === undefined),
    );
    return {
      openapi: "3.0.0",
      info: { title: "Kubernetes", version: "unversioned" },
      paths: Object.fromEntries([...paths].sort(([a], [b]) => (a < b ? -1 : 1))),
      components: {
        schemas: { ...schemas, ...custom },
        securitySchemes: {
          BearerToken: { description: "Bearer Token authentication", in: "header", name: "authorization", type: "apiKey" },
        },
      },
    };
  }
}

/** Raised when the form of the documents changes, so that clients drop what they cached. */
const formatVersion = 1;
const refPrefix = "#/components/schemas/";
const metaPackage = "io.k8s.apimachinery.pkg.apis.meta.v1";

function groupKey({ group, version }: GroupVersionKind): string {
  return `${group === "" ? "api" : "apis"}/${formatAPIVersion(group, version)}`;
}

/** The discovery document of the group and version itself. */
function groupPath(key: string, resources: readonly OpenAPIResource[]): [string, PathItem][] {
  const gvk = resources[0]?.gvk;
  if (gvk === undefined) return [];
  const content = { schema: { $ref: `${refPrefix}${metaPackage}.APIResourceList` } };
  const version = gvk.version.charAt(0).toUpperCase() + gvk.version.slice(1);
  const get = {
    description: "Lists the resources of this group and version.",
    operationId: `get${groupWord(gvk.group)}${version}APIResources`,
    responses: {
      200: { description: "OK", content: { "application/json": content, "application/yaml": content } },
      401: { description: "Unauthorized" },
    },
    tags: [tagOf(gvk)],
  };
  return [[`/${key}/`, { get }]];
}

/** Options and events travel in the group of the resource they are about. */
function kindsOfType(type: StructSchema, gvk: GroupVersionKind | undefined): readonly GroupVersionKind[] {
  if (type.gvk !== undefined || !type.typeMeta || !type.name.startsWith(`${metaPackage}.`)) return [];
  const core = { group: "", version: "v1", kind: type.goName };
  const isAnyGroup = type.goName === "DeleteOptions" && gvk !== undefined && gvk.group !== "";
  return isAnyGroup ? [core, { ...core, group: gvk.group, version: gvk.version }] : [core];
}

function* referencesIn(value: unknown): IterableIterator<string> {
  if (Array.isArray(value)) {
    for (const element of value) yield* referencesIn(element);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      if (key === "$ref" && typeof child === "string") yield child.slice(refPrefix.length);
      else yield* referencesIn(child);
    }
  }
}
