// What list and watch requests may ask for, and where the answer comes from.
// Source: k8s.io/apimachinery pkg/apis/meta/internalversion/validation, KEP-2340 and KEP-3157.
import { type FieldError, forbidden, invalid, newBadRequest, newInvalid, notSupported } from "@lenj/apimachinery";
import { type ContinueToken, decodeContinueToken } from "./continue-token.js";
import { isTruthy } from "./request-info.js";

export interface ListOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly limit: number;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly watch: boolean;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutSeconds: number | undefined;
}

export const emptyListOptions: ListOptions = {
  labelSelector: "",
  fieldSelector: "",
  limit: 0,
  continue: "",
  resourceVersion: "",
  resourceVersionMatch: "",
  watch: false,
  allowWatchBookmarks: false,
  sendInitialEvents: undefined,
  timeoutSeconds: undefined,
};

export function parseListOptions(query: URLSearchParams): ListOptions {
  return {
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: query.get("fieldSelector") ?? "",
    limit: parseInteger(query.get("limit")) ?? 0,
    continue: query.get("continue") ?? "",
    resourceVersion: query.get("resourceVersion") ?? "",
    resourceVersionMatch: query.get("resourceVersionMatch") ?? "",
    watch: query.has("watch") && isTruthy(query.get("watch")),
    allowWatchBookmarks: query.has("allowWatchBookmarks") && isTruthy(query.get("allowWatchBookmarks")),
    sendInitialEvents: query.has("sendInitialEvents") ? isTruthy(query.get("sendInitialEvents")) : undefined,
    timeoutSeconds: parseInteger(query.get("timeoutSeconds")),
  };
}

function parseInteger(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw newBadRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Throws StatusError Invalid in upstream's words. */
export function validateListOptions(options: ListOptions): void {
  const errors = options.watch ? watchErrors(options) : listErrors(options);
  if (errors.length > 0) throw newInvalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", errors);
}

function listErrors(options: ListOptions): FieldError[] {
  const { resourceVersionMatch: match } = options;
  const errors: FieldError[] = [];
  if (options.sendInitialEvents !== undefined) errors.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  if (match === "") return errors;
  if (options.resourceVersion === "")
    errors.push(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  if (options.continue !== "")
    errors.push(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"));
  if (match !== "Exact" && match !== "NotOlderThan")
    errors.push(notSupported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]));
  if (match === "Exact" && options.resourceVersion === "0") {
    errors.push(forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  return errors;
}

function watchErrors(options: ListOptions): FieldError[] {
  const { resourceVersionMatch: match, sendInitialEvents } = options;
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined) {
    if (match === "")
      errors.push(forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    else if (match !== "NotOlderThan") errors.push(notSupported("resourceVersionMatch", match, ["NotOlderThan"]));
    if (sendInitialEvents && options.resourceVersion !== "" && parseRevision(options.resourceVersion) === undefined) {
      errors.push(invalid("resourceVersion", options.resourceVersion, "must be a number"));
    }
  } else if (match !== "") {
    errors.push(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
  }
  return errors;
}

/** Where a list comes from. */
export type ListPlan =
  /** The caches once they have everything up to now. */
  | { readonly from: "cache"; readonly freshness: "consistent" }
  /** The caches as they are, or once they have `revision`. */
  | { readonly from: "cache"; readonly freshness: "atLeast"; readonly revision: number }
  /** The store at one revision of the past. */
  | { readonly from: "store"; readonly revision: number; readonly token: ContinueToken | undefined }
  /** The rest of a list whose revision is gone, at the newest state. */
  | { readonly from: "cache"; readonly freshness: "consistent"; readonly token: ContinueToken };

export function planList(options: ListOptions): ListPlan {
  if (options.continue !== "") {
    let token: ContinueToken;
    try {
      token = decodeContinueToken(options.continue);
    } catch (error) {
      throw newBadRequest((error as Error).message);
    }
    if (options.resourceVersion !== "" && options.resourceVersion !== "0") {
      throw newBadRequest("specifying resource version is not allowed when using continue");
    }
    if (token.revision < 0) return { from: "cache", freshness: "consistent", token };
    return { from: "store", revision: token.revision, token };
  }
  if (options.resourceVersion === "") return { from: "cache", freshness: "consistent" };
  const revision = requireRevision(options.resourceVersion);
  if (options.resourceVersionMatch === "Exact") return { from: "store", revision, token: undefined };
  return { from: "cache", freshness: "atLeast", revision };
}

/** A resourceVersion of ours, or undefined. */
export function parseRevision(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Throws StatusError Invalid when `text` is no resourceVersion. */
export function requireRevision(text: string): number {
  const revision = parseRevision(text);
  if (revision === undefined)
    throw newBadRequest(`Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  return revision;
}
