// Label and field selectors of a request, made into one question to an object.
import {
  type KubernetesObject,
  matchesFieldSelector,
  newBadRequest,
  parseFieldSelector,
  parseLabelSelector,
  type ResourceDeclaration,
} from "@lenj/apimachinery";
import type { ListOptions } from "../core/list-options.js";
import type { Selection } from "../core/watch-cache.js";
import type { Call } from "./call.js";
import type { ObjectStore } from "./object-store.js";

type Requirements = ReturnType<typeof parseFieldSelector>;

/** Throws StatusError BadRequest for selectors that cannot be read or name unknown fields. */
export function selectionOf(call: Call, options: Pick<ListOptions, "labelSelector" | "fieldSelector">, store: ObjectStore): Selection {
  const { declaration } = call.endpoint;
  const labels = options.labelSelector === "" ? undefined : parse(() => parseLabelSelector(options.labelSelector));
  const terms = options.fieldSelector === "" ? [] : parse(() => parseFieldSelector(options.fieldSelector));
  refuseUnknownFields(declaration, terms);
  const pinned = pin(terms, "metadata.name");
  const name = call.name !== "" ? call.name : pinned;
  const namespace =
    call.namespace !== "" ? call.namespace : declaration.scope === "Namespaced" ? pin(terms, "metadata.namespace") : undefined;
  const keyPrefix = declaration.scope === "Namespaced" && namespace !== undefined && namespace !== "" ? `${namespace}/` : "";
  const isPinned = name !== undefined && name !== "" && (declaration.scope === "Cluster" || keyPrefix !== "");
  // What the key says already need not be asked again.
  const asked = terms.filter(
    ({ field, operator }) =>
      !(
        operator === "=" &&
        ((field === "metadata.name" && isPinned && name === pinned) ||
          (field === "metadata.namespace" && keyPrefix !== "" && call.namespace === ""))
      ),
  );
  return {
    keyPrefix,
    exactKey: isPinned ? store.keyOf(namespace ?? "", name) : undefined,
    matches: predicate(declaration, labels?.isEverything === true ? undefined : labels, asked),
  };
}

function predicate(
  declaration: ResourceDeclaration,
  labels: ReturnType<typeof parseLabelSelector> | undefined,
  terms: Requirements,
): Selection["matches"] {
  if (labels === undefined && terms.length === 0) return undefined;
  const fields = new Map(declaration.selectableFields.map(({ label, value }) => [label, value]));
  const fromStorage = declaration.storage?.conversion?.fromStorage;
  return (stored: KubernetesObject) => {
    if (labels !== undefined && !labels.matches(stored.metadata?.labels)) return false;
    if (terms.length === 0) return true;
    const object = fromStorage === undefined ? stored : fromStorage(stored);
    return matchesFieldSelector(terms, (field) => {
      if (field === "metadata.name") return object.metadata?.name ?? "";
      if (field === "metadata.namespace") return object.metadata?.namespace ?? "";
      return fields.get(field)?.(object) ?? "";
    });
  };
}

function refuseUnknownFields(declaration: ResourceDeclaration, terms: Requirements): void {
  for (const { field } of terms) {
    if (field === "metadata.name" || field === "metadata.namespace" || declaration.selectableFields.some(({ label }) => label === field))
      continue;
    throw newBadRequest(declaration.unknownFieldLabel(field));
  }
}

/** The value that every match must have in `field`, if the selector pins one. */
function pin(terms: Requirements, field: string): string | undefined {
  return terms.find((term) => term.field === field && term.operator === "=")?.value;
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw newBadRequest((error as Error).message);
  }
}
