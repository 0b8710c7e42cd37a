// The errors clients see, with upstream's reasons, codes and texts: kubectl and client libraries decide on them.
// Source: k8s.io/apimachinery pkg/api/errors.
import { type FieldError, formatFieldError, quote } from "../field/field-error.js";
import { formatGroupResource, type GroupResource } from "../meta/object.js";
import type { Status, StatusCause, StatusDetails, StatusReason } from "./status.js";

/** Carries the exact Status to answer with. `code` is the reason, so that callers test one string. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly status: Status;

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? "", options);
    this.status = status;
  }

  get code(): StatusReason {
    return this.status.reason ?? "";
  }

  get httpCode(): number {
    return this.status.code;
  }
}

export function isStatusError(error: unknown, reason?: StatusReason): error is StatusError {
  return error instanceof StatusError && (reason === undefined || error.code === reason);
}

interface Failure {
  code: number;
  reason: StatusReason;
  message: string;
  details?: StatusDetails;
  cause?: unknown;
}

function failure(from: Failure): StatusError {
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: from.message,
    ...(from.reason !== "" && { reason: from.reason }),
    ...(from.details !== undefined && { details: dropEmpty(from.details) }),
    code: from.code,
  };
  return new StatusError(status, from.cause === undefined ? undefined : { cause: from.cause });
}

function dropEmpty(details: StatusDetails): StatusDetails {
  const kept: StatusDetails = {};
  if (details.name) kept.name = details.name;
  if (details.group) kept.group = details.group;
  if (details.kind) kept.kind = details.kind;
  if (details.uid) kept.uid = details.uid;
  if (details.causes !== undefined && details.causes.length > 0) kept.causes = details.causes;
  if (details.retryAfterSeconds) kept.retryAfterSeconds = details.retryAfterSeconds;
  return kept;
}

function detailsOf(resource: GroupResource, name: string): StatusDetails {
  return { name, group: resource.group, kind: resource.resource };
}

export function newNotFound(resource: GroupResource, name: string): StatusError {
  return failure({
    code: 404,
    reason: "NotFound",
    message: `${formatGroupResource(resource)} "${name}" not found`,
    details: detailsOf(resource, name),
  });
}

export function newAlreadyExists(resource: GroupResource, name: string): StatusError {
  return failure({
    code: 409,
    reason: "AlreadyExists",
    message: `${formatGroupResource(resource)} "${name}" already exists`,
    details: detailsOf(resource, name),
  });
}

/** Every generated name of several tries was taken. */
export function newGenerateNameConflict(resource: GroupResource, name: string, retryAfterSeconds = 1): StatusError {
  return failure({
    code: 409,
    reason: "AlreadyExists",
    message: `${formatGroupResource(resource)} "${name}" already exists, the server was not able to generate a unique name for the object`,
    details: { ...detailsOf(resource, name), retryAfterSeconds },
  });
}

export function newUnauthorized(reason = ""): StatusError {
  return failure({ code: 401, reason: "Unauthorized", message: reason === "" ? "not authorized" : reason });
}

/** `why` is the policy's sentence. Without a name or resource the text shrinks as upstream's does. */
export function newForbidden(resource: GroupResource, name: string, why: string): StatusError {
  const subject = formatGroupResource(resource);
  let message: string;
  if (subject === "") message = `forbidden: ${why}`;
  else if (name === "") message = `${subject} is forbidden: ${why}`;
  else message = `${subject} "${name}" is forbidden: ${why}`;
  return failure({ code: 403, reason: "Forbidden", message, details: detailsOf(resource, name) });
}

/** 409: the write lost a race or broke a precondition. */
export function newConflict(resource: GroupResource, name: string, why: string): StatusError {
  return failure({
    code: 409,
    reason: "Conflict",
    message: `Operation cannot be fulfilled on ${formatGroupResource(resource)} "${name}": ${why}`,
    details: detailsOf(resource, name),
  });
}

/** The sentence of every stale-resourceVersion conflict; clients show it and some match it. */
export const optimisticLockMessage = "the object has been modified; please apply your changes to the latest version and try again";

export function newApplyConflict(causes: StatusCause[], message: string): StatusError {
  return failure({ code: 409, reason: "Conflict", message, details: { causes } });
}

/** 422 naming all wrong fields; equal messages are given once. `kind` is the Kind, not the plural. */
export function newInvalid(kind: { group: string; kind: string }, name: string, errors: readonly FieldError[]): StatusError {
  const texts = [...new Set(errors.map(formatFieldError))];
  const qualified = formatGroupResource({ group: kind.group, resource: kind.kind });
  const subject = `${qualified} "${name}" is invalid`;
  let message = subject;
  if (texts.length === 1) message = `${subject}: ${texts[0]}`;
  else if (texts.length > 1) message = `${subject}: [${texts.join(", ")}]`;
  const causes = errors.map((error) => ({ reason: error.type, message: error.body, field: error.field }));
  return failure({ code: 422, reason: "Invalid", message, details: { name, group: kind.group, kind: kind.kind, causes } });
}

export function newBadRequest(message: string): StatusError {
  return failure({ code: 400, reason: "BadRequest", message });
}

export function newServiceUnavailable(message: string): StatusError {
  return failure({ code: 503, reason: "ServiceUnavailable", message });
}

export function newMethodNotSupported(resource: GroupResource, verb: string): StatusError {
  return failure({
    code: 405,
    reason: "MethodNotAllowed",
    message: `${verb} is not supported on resources of kind "${formatGroupResource(resource)}"`,
    details: { group: resource.group, kind: resource.resource },
  });
}

export function newServerTimeout(resource: GroupResource, operation: string, retryAfterSeconds: number): StatusError {
  return failure({
    code: 500,
    reason: "ServerTimeout",
    message: `The ${operation} operation against ${formatGroupResource(resource)} could not be completed at this time, please try again.`,
    details: { group: resource.group, kind: resource.resource, name: operation, retryAfterSeconds },
  });
}

/** `cause` stays in this process; only its message goes out, as upstream does. */
export function newInternalError(error: unknown): StatusError {
  const text = error instanceof Error ? error.message : String(error);
  return failure({
    code: 500,
    reason: "InternalError",
    message: `Internal error occurred: ${text}`,
    details: { causes: [{ message: text }] },
    cause: error,
  });
}

/** A 500 whose reason is empty: upstream's plain errors reach clients so. */
export function newPlainError(message: string): StatusError {
  return failure({ code: 500, reason: "", message });
}

export function newTimeout(message: string, retryAfterSeconds: number): StatusError {
  return failure({ code: 504, reason: "Timeout", message: `Timeout: ${message}`, details: { retryAfterSeconds } });
}

/** The server does not know a revision as new as the client asked for. */
export function newResourceVersionTooLarge(requested: number, current: number): StatusError {
  return failure({
    code: 504,
    reason: "Timeout",
    message: `Timeout: Too large resource version: ${requested}, current: ${current}`,
    details: { causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }], retryAfterSeconds: 1 },
  });
}

export function newTooManyRequests(message: string, retryAfterSeconds: number, causes?: StatusCause[]): StatusError {
  return failure({ code: 429, reason: "TooManyRequests", message, details: { retryAfterSeconds, ...(causes && { causes }) } });
}

export function newRequestEntityTooLarge(message: string): StatusError {
  return failure({ code: 413, reason: "RequestEntityTooLarge", message: `Request entity too large: ${message}` });
}

/** 410: the resourceVersion or continue token is older than what the store keeps. `continueToken` lets a list go on inconsistently. */
export function newExpired(message: string, continueToken?: string): StatusError {
  const error = failure({ code: 410, reason: "Expired", message });
  if (continueToken !== undefined) error.status.metadata.continue = continueToken;
  return error;
}

export function newGone(message: string): StatusError {
  return failure({ code: 410, reason: "Gone", message });
}

export function newNotAcceptable(accepted: readonly string[]): StatusError {
  return failure({ code: 406, reason: "NotAcceptable", message: `only the following media types are accepted: ${accepted.join(", ")}` });
}

export function newUnsupportedMediaType(accepted: readonly string[]): StatusError {
  return failure({
    code: 415,
    reason: "UnsupportedMediaType",
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  });
}

interface GenericSubject {
  code: number;
  verb: string;
  resource: GroupResource;
  name: string;
  /** What the server said, if it was not a Status. */
  serverMessage: string;
  retryAfterSeconds: number;
  /** The answer did not come from a Kubernetes server in its own form. */
  unexpected: boolean;
}

const genericTexts: Readonly<Record<number, { reason: StatusReason; text: string }>> = {
  400: { reason: "BadRequest", text: "the server rejected our request for an unknown reason" },
  401: { reason: "Unauthorized", text: "the server has asked for the client to provide credentials" },
  404: { reason: "NotFound", text: "the server could not find the requested resource" },
  405: { reason: "MethodNotAllowed", text: "the server does not allow this method on the requested resource" },
  415: { reason: "UnsupportedMediaType", text: "the server was unable to respond with a content type that the client supports" },
  422: { reason: "Invalid", text: "the server rejected our request due to an error in our request" },
  429: { reason: "TooManyRequests", text: "the server has received too many requests and has asked us to try again later" },
  503: { reason: "ServiceUnavailable", text: "the server is currently unable to handle the request" },
  504: {
    reason: "Timeout",
    text: "the server was unable to return a response in the time allotted, but may still be processing the request",
  },
};

function describeGeneric(subject: GenericSubject): { reason: StatusReason; text: string } {
  if (subject.code === 409) {
    return subject.verb === "POST"
      ? { reason: "AlreadyExists", text: "the server reported a conflict" }
      : { reason: "Conflict", text: "the server reported a conflict" };
  }
  // Upstream passes the server's own sentence on for 403 and 406, where it says what to do.
  if (subject.code === 403) return { reason: "Forbidden", text: subject.serverMessage };
  if (subject.code === 406) return { reason: "NotAcceptable", text: subject.serverMessage || "unknown" };
  const known = genericTexts[subject.code];
  if (known !== undefined) return { reason: known.reason, text: known.text };
  if (subject.code < 500)
    return { reason: "", text: `the server responded with the status code ${subject.code} but did not return more information` };
  const said = quote(subject.serverMessage || "unknown");
  return { reason: "InternalError", text: `an error on the server (${said}) has prevented the request from succeeding` };
}

/** An error for a response that had no usable Status body. */
export function newGenericServerResponse(subject: GenericSubject): StatusError {
  const { reason, text } = describeGeneric(subject);
  const verb = subject.verb.toLowerCase();
  const target = formatGroupResource(subject.resource);
  let message = text;
  if (target !== "") message = subject.name === "" ? `${text} (${verb} ${target})` : `${text} (${verb} ${target} ${subject.name})`;
  const causes = subject.unexpected ? [{ reason: "UnexpectedServerResponse", message: subject.serverMessage || "unknown" }] : [];
  return failure({
    code: subject.code,
    reason,
    message,
    details: { ...detailsOf(subject.resource, subject.name), causes, retryAfterSeconds: subject.retryAfterSeconds },
  });
}

/** Status of a successful DELETE. */
export function newDeleteSuccess(resource: GroupResource, name: string, uid: string): Status {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: dropEmpty({ ...detailsOf(resource, name), uid }),
    code: 200,
  };
}

/** Status of a successful action such as binding or eviction. */
export function newSuccess(code = 201): Status {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code };
}
