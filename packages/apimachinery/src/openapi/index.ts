// The door to OpenAPI documents: `@lenj/apimachinery/openapi`, for processes that serve them.
export { type OpenAPIDocument, OpenAPIDocuments, type OpenAPIIndex, type OpenAPIOptions } from "./documents.js";
export type { OpenAPIResource, OpenAPISubresource } from "./paths.js";
