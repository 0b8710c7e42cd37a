import { semanticEqual } from "../meta/equality.js";
import type { GroupVersionKind, KubernetesObject } from "../meta/object.js";
import { defaultTable } from "../table/columns.js";
import { nameIsDNSSubdomain } from "../validation/names.js";
import type {
  ResourceDeclaration,
  ResourceStrategy,
  ScalePaths,
  StoragePlacement,
  Subresource,
  UpdateStrategy,
  Verb,
} from "./declaration.js";

export const allVerbs: readonly Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const readWriteVerbs: readonly Verb[] = ["get", "patch", "update"];

type Optional<T extends KubernetesObject> = Partial<Omit<ResourceDeclaration<T>, "gvk" | "plural" | "scope" | "storage">>;

export interface ResourceSpec<T extends KubernetesObject> extends Optional<T> {
  readonly gvk: GroupVersionKind;
  readonly plural: string;
  readonly scope: "Namespaced" | "Cluster";
  /** `null` for kinds that are not kept; parts left out take the usual values (`<plural>` as prefix, the served version). */
  readonly storage?: Partial<StoragePlacement> | null;
}

/** Completes a declaration with what is usual. */
export function defineResource<T extends KubernetesObject>(spec: ResourceSpec<T>): ResourceDeclaration<T> {
  const { gvk, plural, storage } = spec;
  return {
    listKind: `${gvk.kind}List`,
    singular: gvk.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    verbs: allVerbs,
    storageVersionHash: "",
    subresources: [],
    hasGeneration: false,
    generationChanges: specChanges,
    allowUnconditionalUpdate: true,
    allowCreateOnUpdate: false,
    validateName: nameIsDNSSubdomain,
    defaults: () => {},
    strategy: {},
    selectableFields: [],
    unknownFieldLabel: (label) => `"${label}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
    table: defaultTable,
    gracefulDeletion: undefined,
    defaultDeletionPolicy: "Background",
    returnsDeletedObject: false,
    deprecationWarning: undefined,
    ...spec,
    storage: storage === null ? undefined : { prefix: plural, gvk, ...storage },
  };
}

/** The wording of the core group. */
export function coreUnknownFieldLabel(label: string): string {
  return `field label not supported: ${label}`;
}

/** Everything but metadata and status counts as desired state. */
export function specChanges(object: KubernetesObject, old: KubernetesObject): boolean {
  return !semanticEqual(desiredState(object), desiredState(old));
}

function desiredState(object: KubernetesObject): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object as KubernetesObject & { status?: unknown };
  delete rest.status;
  return rest;
}

type WithStatus = KubernetesObject & { status?: unknown };

/** Main endpoint of kinds with a status: writes keep the stored status, creations start without one. */
export function withStatus<T extends KubernetesObject>(strategy: ResourceStrategy<T>): ResourceStrategy<T> {
  return {
    resetFields: [["status"]],
    ...strategy,
    prepareForCreate(object, context) {
      delete (object as WithStatus).status;
      strategy.prepareForCreate?.(object, context);
    },
    prepareForUpdate(object, old, context) {
      keep(object, old, "status");
      strategy.prepareForUpdate?.(object, old, context);
    },
  };
}

interface StatusOptions<T extends KubernetesObject> {
  /** Metadata that a status write may not touch, beside what no update may. "all" keeps everything but managedFields. */
  readonly keepMetadata?: readonly ("labels" | "annotations" | "ownerReferences" | "deletionTimestamp" | "finalizers")[] | "all";
  readonly prepareForUpdate?: UpdateStrategy<T>["prepareForUpdate"];
  readonly validateUpdate?: UpdateStrategy<T>["validateUpdate"];
}

/** The `status` endpoint: everything but status and part of metadata is taken from the stored object. */
export function statusSubresource<T extends KubernetesObject>(gvk: GroupVersionKind, options: StatusOptions<T> = {}): Subresource<T> {
  const kept = options.keepMetadata ?? [];
  return {
    name: "status",
    gvk,
    foreignGroup: false,
    verbs: readWriteVerbs,
    strategy: {
      resetFields: [["spec"], ...(kept === "all" ? [["metadata"]] : kept.map((field) => ["metadata", field]))],
      prepareForUpdate(object, old, context) {
        keepAllBut(object, old, "status");
        if (kept === "all")
          object.metadata = {
            ...old.metadata,
            resourceVersion: object.metadata?.resourceVersion,
            managedFields: object.metadata?.managedFields,
          };
        else for (const field of kept) keep((object.metadata ??= {}), old.metadata ?? {}, field);
        options.prepareForUpdate?.(object, old, context);
      },
      ...(options.validateUpdate && { validateUpdate: options.validateUpdate }),
    },
  };
}

/** Another endpoint that reads and writes the parent object (approval, finalize, resize, ephemeralcontainers). */
export function objectSubresource<T extends KubernetesObject>(
  name: string,
  gvk: GroupVersionKind,
  strategy: UpdateStrategy<T>,
  verbs: readonly Verb[] = readWriteVerbs,
): Subresource<T> {
  return { name, gvk, foreignGroup: false, verbs, strategy };
}

/** An endpoint that the api-server answers by itself. `gvk` of another group is announced in discovery. */
export function actionSubresource<T extends KubernetesObject>(
  name: string,
  gvk: GroupVersionKind,
  verbs: readonly Verb[],
  foreignGroup = false,
): Subresource<T> {
  return { name, gvk, foreignGroup, verbs };
}

export function scaleSubresource<T extends KubernetesObject>(scale: ScalePaths<T>): Subresource<T> {
  return { name: "scale", gvk: { group: "autoscaling", version: "v1", kind: "Scale" }, foreignGroup: true, verbs: readWriteVerbs, scale };
}

function keep(object: object, old: object, field: string): void {
  const target = object as Record<string, unknown>;
  const source = old as Record<string, unknown>;
  if (source[field] === undefined) delete target[field];
  else target[field] = source[field];
}

function keepAllBut(object: KubernetesObject, old: KubernetesObject, changed: string): void {
  const fields = new Set([...Object.keys(object), ...Object.keys(old)]);
  for (const field of fields) {
    if (field !== changed && field !== "metadata" && field !== "apiVersion" && field !== "kind") keep(object, old, field);
  }
}
