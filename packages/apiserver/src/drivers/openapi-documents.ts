// OpenAPI documents, made when first asked for and kept.
import type { OpenAPISource } from "../rest/documents.js";

/** Serves no document. */
export const noOpenAPI: OpenAPISource = {
  index: () => Promise.resolve(Buffer.from('{"paths":{}}')),
  document: () => Promise.resolve(undefined),
  swagger: () => Promise.resolve(Buffer.from("{}")),
};
