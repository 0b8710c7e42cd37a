// OpenAPI documents, made when first asked for and kept.
import { createHash } from "node:crypto";
import { OpenAPIDocuments } from "@lenj/apimachinery/openapi";
import type { DescriptionTable, SchemaRegistry } from "@lenj/apimachinery/schema";
import type { ResourceCatalog } from "../core/catalog.js";
import type { OpenAPISource } from "../rest/documents.js";

export interface OpenAPISettings {
  readonly registry: SchemaRegistry;
  readonly catalog: ResourceCatalog;
  readonly loadDescriptions: () => Promise<DescriptionTable>;
  /** Changes when the served types change. */
  readonly fingerprint: string;
}

/** Nothing is loaded or built before the first request for it. */
export function createOpenAPISource(settings: OpenAPISettings): OpenAPISource {
  let loading: Promise<OpenAPIDocuments> | undefined;
  const documents = (): Promise<OpenAPIDocuments> =>
    (loading ??= settings.loadDescriptions().then(
      (descriptions) =>
        new OpenAPIDocuments({
          registry: settings.registry,
          descriptions,
          fingerprint: settings.fingerprint,
          resources: settings.catalog.declarations,
        }),
    ));
  return {
    index: async () => Buffer.from(JSON.stringify((await documents()).index())),
    document: async (key) => (await documents()).document(key),
    swagger: () => Promise.resolve(undefined),
  };
}

export function fingerprintOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Serves no document. */
export const noOpenAPI: OpenAPISource = {
  index: () => Promise.resolve(Buffer.from('{"paths":{}}')),
  document: () => Promise.resolve(undefined),
  swagger: () => Promise.resolve(undefined),
};
