import { parseRequestInfo } from "./request-info.js";

function parsed(method: string, url: string): string {
  const [path = "", query = ""] = url.split("?");
  const info = parseRequestInfo(method, path, new URLSearchParams(query));
  if (!info.isResourceRequest) return `${info.verb} ${info.path}`;
  return [
    info.verb,
    info.apiGroup || "core",
    info.apiVersion,
    info.namespace || "-",
    info.resource,
    info.name || "-",
    info.subresource || "-",
  ].join(" ");
}

describe("parseRequestInfo()", () => {
  it.each([
    ["GET", "/api/v1/namespaces/default/pods/p", "get core v1 default pods p -"],
    ["GET", "/api/v1/namespaces/default/pods", "list core v1 default pods - -"],
    ["GET", "/api/v1/pods?watch=true", "watch core v1 - pods - -"],
    ["GET", "/api/v1/pods?watch=false", "list core v1 - pods - -"],
    ["GET", "/api/v1/watch/namespaces/default/pods", "watch core v1 default pods - -"],
    ["POST", "/apis/apps/v1/namespaces/default/deployments", "create apps v1 default deployments - -"],
    ["PUT", "/apis/apps/v1/namespaces/default/deployments/d/scale", "update apps v1 default deployments d scale"],
    ["PATCH", "/api/v1/nodes/n/status", "patch core v1 - nodes n status"],
    ["DELETE", "/api/v1/namespaces/default/pods/p", "delete core v1 default pods p -"],
    ["DELETE", "/api/v1/namespaces/default/pods", "deletecollection core v1 default pods - -"],
    ["GET", "/api/v1/namespaces/default", "get core v1 default namespaces default -"],
    ["PUT", "/api/v1/namespaces/default/finalize", "update core v1 default namespaces default finalize"],
    ["GET", "/api/v1/namespaces/default/services/https:web:443/proxy/a/b", "get core v1 default services https:web:443 proxy"],
    ["GET", "/api/v1/namespaces/default/pods?fieldSelector=metadata.name=p", "list core v1 default pods p -"],
    ["GET", "/api/v1/namespaces/default/pods?fieldSelector=metadata.name!=p", "list core v1 default pods - -"],
    ["GET", "/api", "get /api"],
    ["GET", "/apis/apps/v1", "get /apis/apps/v1"],
    ["GET", "/healthz", "get /healthz"],
  ])("%s %s is %s", (method, url, expected) => {
    expect(parsed(method, url)).toBe(expected);
  });
});
