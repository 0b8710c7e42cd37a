// Path items of one resource: which methods exist where, what they take and what they answer.
//
// Declarations of resources (see ../resource) can be passed as they are; custom resources give the same few facts.
import { formatAPIVersion, type GroupVersionKind } from "../meta/object.js";
import {
  createParameters,
  deleteCollectionParameters,
  deleteParameters,
  listParameters,
  logParameters,
  namePath,
  namespacePath,
  type Parameter,
  patchParameters,
  pretty,
  restPath,
  updateParameters,
} from "./parameters.js";
import { patchType } from "./schemas.js";

export interface OpenAPIResource {
  readonly gvk: GroupVersionKind;
  readonly listKind: string;
  readonly plural: string;
  readonly scope: "Namespaced" | "Cluster";
  readonly verbs: readonly string[];
  readonly subresources: readonly OpenAPISubresource[];
  /** DELETE answers with the object. */
  readonly returnsDeletedObject?: boolean;
  /** Custom resources: the schema of their definition. Such resources know neither strategic merge patches nor protobuf. */
  readonly definition?: Readonly<Record<string, unknown>>;
}

export interface OpenAPISubresource {
  readonly name: string;
  readonly gvk: GroupVersionKind;
  readonly verbs: readonly string[];
}

export type PathItem = Record<string, unknown>;

/** Name of the component that describes a kind. */
export type NameOf = (gvk: GroupVersionKind) => string;

/** Path items by path. `refer` notes a component as used and returns its name. */
export function resourcePaths(resource: OpenAPIResource, nameOf: NameOf): Map<string, PathItem> {
  const { gvk, plural, scope } = resource;
  const base = `/${gvk.group === "" ? "api" : "apis"}/${formatAPIVersion(gvk.group, gvk.version)}`;
  const isNamespaced = scope === "Namespaced";
  const collection = isNamespaced ? `${base}/namespaces/{namespace}/${plural}` : `${base}/${plural}`;
  const scopeParameters = isNamespaced ? [namespacePath] : [];
  const builder = new OperationBuilder(resource, nameOf, isNamespaced ? "Namespaced" : "");
  const paths = new Map<string, PathItem>();
  addPath(paths, collection, builder.collection(), [...scopeParameters, pretty]);
  const itemParameters = [namePath(gvk.kind), ...scopeParameters, pretty];
  addPath(paths, `${collection}/{name}`, builder.item(), itemParameters);
  for (const subresource of resource.subresources) {
    const path = `${collection}/{name}/${subresource.name}`;
    addPath(paths, path, builder.subresource(subresource), itemParameters);
    if (subresource.name === "proxy")
      addPath(paths, `${path}/{path}`, builder.connect(subresource, "WithPath"), [...itemParameters, restPath]);
  }
  if (isNamespaced && resource.verbs.includes("list")) {
    addPath(paths, `${base}/${plural}`, { get: builder.list("ForAllNamespaces") }, [pretty]);
  }
  return paths;
}

function addPath(paths: Map<string, PathItem>, path: string, operations: Record<string, unknown>, parameters: readonly Parameter[]): void {
  if (Object.keys(operations).length > 0) paths.set(path, { ...operations, parameters });
}

interface OperationSpec {
  readonly verb: string;
  /** verb, group and version, infix, scope, kind and suffix make the operation's id. */
  readonly infix?: string;
  readonly suffix?: string;
  readonly action: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  readonly gvk?: GroupVersionKind;
  readonly body?: unknown;
  /** Component of the answer, by status. */
  readonly answers: Readonly<Record<number, string>>;
  readonly isStream?: boolean;
  readonly isPlainText?: boolean;
}

const statusName = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const deleteOptionsName = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const statusTexts: Readonly<Record<number, string>> = { 200: "OK", 201: "Created", 202: "Accepted" };

class OperationBuilder {
  readonly #resource: OpenAPIResource;
  readonly #nameOf: NameOf;
  readonly #scopeWord: string;

  constructor(resource: OpenAPIResource, nameOf: NameOf, scopeWord: string) {
    this.#resource = resource;
    this.#nameOf = nameOf;
    this.#scopeWord = scopeWord;
  }

  collection(): Record<string, unknown> {
    const { verbs, gvk } = this.#resource;
    const own = this.#nameOf(gvk);
    return {
      ...(verbs.includes("list") && { get: this.list("") }),
      ...(verbs.includes("create") && { post: this.#create(own, gvk, "") }),
      ...(verbs.includes("deletecollection") && {
        delete: this.#operation({
          verb: "delete",
          infix: "Collection",
          action: "deletecollection",
          description: `Deletes every ${gvk.kind} that matches.`,
          parameters: deleteCollectionParameters,
          body: anyBody(deleteOptionsName),
          answers: { 200: statusName },
        }),
      }),
    };
  }

  list(suffix: string): unknown {
    const { gvk, listKind } = this.#resource;
    return this.#operation({
      verb: "list",
      suffix,
      action: "list",
      description: `Lists or watches objects of kind ${gvk.kind}.`,
      parameters: listParameters,
      answers: { 200: this.#nameOf({ ...gvk, kind: listKind }) },
      isStream: true,
    });
  }

  item(): Record<string, unknown> {
    const { verbs, gvk } = this.#resource;
    const removed = this.#resource.returnsDeletedObject === true ? this.#nameOf(gvk) : statusName;
    return {
      ...this.#readAndWrite({ name: "", gvk, verbs }),
      ...(verbs.includes("delete") && {
        delete: this.#operation({
          verb: "delete",
          action: "delete",
          description: `Deletes the ${gvk.kind}.`,
          parameters: deleteParameters,
          body: anyBody(deleteOptionsName),
          answers: { 200: removed, 202: removed },
        }),
      }),
    };
  }

  subresource(subresource: OpenAPISubresource): Record<string, unknown> {
    const { name, gvk, verbs } = subresource;
    if (name === "log") return { get: this.#log() };
    if (isConnect(subresource)) return this.connect(subresource, "");
    return {
      ...this.#readAndWrite(subresource),
      ...(verbs.includes("create") && { post: this.#create(this.#nameOf(gvk), gvk, capitalize(name)) }),
    };
  }

  #readAndWrite({ name, gvk, verbs }: OpenAPISubresource): Record<string, unknown> {
    const suffix = capitalize(name);
    const own = this.#nameOf(gvk);
    const what = name === "" ? `the ${gvk.kind}` : `${name} of the ${this.#resource.gvk.kind}`;
    const shared = { suffix, gvk };
    return {
      ...(verbs.includes("get") && {
        get: this.#operation({
          ...shared,
          verb: "read",
          action: "get",
          description: `Reads ${what}.`,
          parameters: [],
          answers: { 200: own },
        }),
      }),
      ...(verbs.includes("update") && {
        put: this.#operation({
          ...shared,
          verb: "replace",
          action: "put",
          description: `Replaces ${what}.`,
          parameters: updateParameters,
          body: { ...anyBody(own), required: true },
          answers: { 200: own, 201: own },
        }),
      }),
      ...(verbs.includes("patch") && {
        patch: this.#operation({
          ...shared,
          verb: "patch",
          action: "patch",
          description: `Changes parts of ${what}.`,
          parameters: patchParameters,
          body: { content: this.#patchContent(), required: true },
          answers: { 200: own, 201: own },
        }),
      }),
    };
  }

  #create(own: string, gvk: GroupVersionKind, suffix: string): unknown {
    const what = suffix === "" ? `a ${gvk.kind}` : `a ${gvk.kind} for the ${this.#resource.gvk.kind}`;
    return this.#operation({
      verb: "create",
      suffix,
      gvk,
      action: "post",
      description: `Creates ${what}.`,
      parameters: createParameters,
      body: { ...anyBody(own), required: true },
      answers: { 200: own, 201: own, 202: own },
    });
  }

  #log(): unknown {
    return this.#operation({
      verb: "read",
      suffix: "Log",
      action: "get",
      description: "Reads what a container wrote to its standard output and error.",
      parameters: logParameters,
      answers: { 200: "" },
      isPlainText: true,
    });
  }

  /** Endpoints that become a stream or lead on to another server; the kind carries their options. */
  connect({ name, gvk, verbs }: OpenAPISubresource, pathSuffix: string): Record<string, unknown> {
    const methods = verbs.flatMap((verb) => methodOfVerb[verb] ?? []);
    if (name === "proxy") methods.push("head", "options");
    const operations = methods.map((method) => {
      const operation = this.#operation({
        verb: "connect",
        infix: capitalize(method),
        suffix: `${capitalize(name)}${pathSuffix}`,
        gvk,
        action: "connect",
        description: `Connects to ${name} of the ${this.#resource.gvk.kind}.`,
        parameters: [],
        answers: { 200: "" },
        isPlainText: true,
      });
      return [method, operation] as const;
    });
    return Object.fromEntries(operations);
  }

  #patchContent(): Record<string, unknown> {
    const types = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    if (this.#resource.definition === undefined) types.push("application/strategic-merge-patch+json");
    return Object.fromEntries(types.map((type) => [type, { schema: ref(patchType) }]));
  }

  #operation(spec: OperationSpec): unknown {
    const { gvk } = this.#resource;
    const { group, kind, version } = spec.gvk ?? gvk;
    const scope = spec.suffix === "ForAllNamespaces" ? "" : this.#scopeWord;
    const responses = Object.entries(spec.answers).map(([status, name]) => [
      status,
      { description: statusTexts[Number(status)], content: this.#content(name, spec) },
    ]);
    return {
      description: spec.description,
      operationId: `${spec.verb}${groupWord(gvk.group)}${capitalize(gvk.version)}${spec.infix ?? ""}${scope}${gvk.kind}${spec.suffix ?? ""}`,
      ...(spec.parameters.length > 0 && { parameters: spec.parameters }),
      ...(spec.body !== undefined && { requestBody: spec.body }),
      responses: { ...Object.fromEntries(responses), 401: { description: "Unauthorized" } },
      tags: [tagOf(gvk)],
      "x-kubernetes-action": spec.action,
      "x-kubernetes-group-version-kind": { group, kind, version },
    };
  }

  #content(name: string, spec: OperationSpec): Record<string, unknown> {
    if (spec.isPlainText) return { "text/plain": { schema: { type: "string" } } };
    const types = ["application/json", "application/yaml"];
    if (this.#resource.definition === undefined) types.push("application/vnd.kubernetes.protobuf");
    if (spec.isStream) types.push(...types.filter((type) => type !== "application/yaml").map((type) => `${type};stream=watch`));
    return Object.fromEntries(types.map((type) => [type, { schema: ref(name) }]));
  }
}

const methodOfVerb: Readonly<Record<string, string>> = { get: "get", create: "post", update: "put", patch: "patch", delete: "delete" };

/** Endpoints whose kind carries the options of a stream: exec, attach, portforward, proxy. */
function isConnect({ gvk }: OpenAPISubresource): boolean {
  return gvk.kind.endsWith("Options");
}

function ref(name: string): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

function anyBody(name: string): Record<string, unknown> {
  return { content: { "*/*": { schema: ref(name) } } };
}

/** "rbac.authorization.k8s.io" -> "RbacAuthorization"; the core group is "Core". */
export function groupWord(group: string): string {
  if (group === "") return "Core";
  return group
    .replace(/\.k8s\.io$/, "")
    .split(/[.-]/)
    .map(capitalize)
    .join("");
}

export function tagOf({ group, version }: { group: string; version: string }): string {
  const word = groupWord(group);
  return `${word.charAt(0).toLowerCase()}${word.slice(1)}_${version}`;
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
