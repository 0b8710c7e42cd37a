// What a request is about, read from its method, path and query alone.
// Source: k8s.io/apiserver pkg/endpoints/request/requestinfo.go.

export interface RequestInfo {
  readonly isResourceRequest: boolean;
  /** The path as sent, without the query. */
  readonly path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection; the lower-case method for non-resource requests. */
  readonly verb: string;
  readonly apiPrefix: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Segments after the API version, namespace scoping removed. */
  readonly parts: readonly string[];
}

const verbOfMethod: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};
/** `namespaces/<name>/<these>` are parts of the namespace object, not resources inside it. */
const namespaceSubresources = new Set(["status", "finalize"]);

export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const segments = path.split("/").filter((segment) => segment !== "");
  const nonResource: RequestInfo = {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    apiPrefix: "",
    apiGroup: "",
    apiVersion: "",
    namespace: "",
    resource: "",
    subresource: "",
    name: "",
    parts: [],
  };
  const apiPrefix = segments[0];
  if ((apiPrefix !== "api" && apiPrefix !== "apis") || segments.length < 3) return nonResource;
  let rest = segments.slice(1);
  let apiGroup = "";
  if (apiPrefix === "apis") {
    if (rest.length < 3) return nonResource;
    apiGroup = rest[0] as string;
    rest = rest.slice(1);
  }
  const apiVersion = rest[0] as string;
  rest = rest.slice(1);

  let verb = verbOfMethod[method] ?? "";
  let isLegacyWatch = false;
  // The old forms /api/v1/watch/... and /api/v1/proxy/... put the verb into the path.
  if (rest[0] === "watch" || rest[0] === "proxy") {
    if (rest.length < 2) return nonResource;
    isLegacyWatch = rest[0] === "watch";
    verb = rest[0];
    rest = rest.slice(1);
  }

  let namespace = "";
  if (rest[0] === "namespaces" && rest.length > 1) {
    namespace = decodeSegment(rest[1] as string);
    if (rest.length > 2 && !namespaceSubresources.has(rest[2] as string)) rest = rest.slice(2);
  }
  const parts = rest.map((segment, position) => (position < 2 ? decodeSegment(segment) : segment));
  const resource = parts[0] ?? "";
  let name = parts[1] ?? "";
  const subresource = parts[2] ?? "";

  if (name === "" && verb === "get") verb = isWatchQuery(query) ? "watch" : "list";
  if (name === "" && verb === "delete") verb = "deletecollection";
  if (verb === "list" || verb === "watch" || verb === "deletecollection") {
    if (name === "" && !isLegacyWatch) name = nameInFieldSelector(query.get("fieldSelector") ?? "");
  }
  return { isResourceRequest: true, path, verb, apiPrefix, apiGroup, apiVersion, namespace, resource, subresource, name, parts };
}

/** Go's strconv.ParseBool, and the bare `?watch`. */
export function isTruthy(text: string | null): boolean {
  return text === "" || text === "1" || text === "t" || text === "T" || text === "true" || text === "TRUE" || text === "True";
}

function isWatchQuery(query: URLSearchParams): boolean {
  return query.has("watch") && isTruthy(query.get("watch"));
}

/** A selector that pins one name is authorised like access to that name. Returns that name, or "". */
export function nameInFieldSelector(selector: string): string {
  for (const term of selector.split(",")) {
    const match = /^metadata\.name==?([^=!].*)$/.exec(term);
    if (match !== null && /^[^/%]+$/.test(match[1] as string) && match[1] !== "." && match[1] !== "..") return match[1] as string;
  }
  return "";
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
