import type { metav1 } from "@lenj/proto/k8s";

/** Code of an error that carries no answer of the api-server: unreachable, cut off, timed out on our side. */
export const NO_ANSWER_CODE = 0;

/**
 * What an api-server answered instead of an object, or why no answer came.
 *
 * `code` is the HTTP status of the Status object, 0 when there was no answer; `reason` is upstream's word
 * ("NotFound", "Conflict", ...; "Unavailable" when there was no answer). Callers test with the guards below.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  readonly status: metav1.Status;

  constructor(status: metav1.Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? "unknown error", options);
    this.status = status;
    this.code = status.code ?? NO_ANSWER_CODE;
    this.reason = status.reason ?? "";
  }

  /** Seconds the server asked to wait before trying again, if it did. */
  get retryAfterSeconds(): number | undefined {
    return this.status.details?.retryAfterSeconds;
  }
}

/** No answer came: the connection failed, broke or timed out. The request may or may not have taken effect. */
export function unavailableError(message: string, cause?: unknown): ApiError {
  return new ApiError({ status: "Failure", code: NO_ANSWER_CODE, reason: "Unavailable", message }, { cause });
}

const reasonOf: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/**
 * Makes the error of an HTTP answer. A body that is a Status object decides; anything else (a proxy's page, text)
 * is worded as client-go does.
 */
export function apiErrorFromBody(httpCode: number, body: string): ApiError {
  const status = parseStatus(body);
  if (status !== undefined) return new ApiError({ ...status, code: status.code ?? httpCode });
  const text = body.trim();
  const message =
    httpCode === 404
      ? "the server could not find the requested resource"
      : text === ""
        ? `the server responded with the status code ${httpCode} but did not return more information`
        : `an error on the server (${JSON.stringify(text.slice(0, 2048))}) has prevented the request from succeeding`;
  return new ApiError({ status: "Failure", code: httpCode, reason: reasonOf[httpCode] ?? "Unknown", message });
}

/** The Status object in `text`, or undefined when it is something else. */
export function parseStatus(text: string): metav1.Status | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(text) as metav1.Status & { kind?: string };
    return value.kind === "Status" ? value : undefined;
  } catch {
    // Not JSON after all: the caller words the error from the raw text.
    return undefined;
  }
}

export function isApiError(error: unknown): error is ApiError {
  return error instanceof ApiError;
}

const hasReason = (error: unknown, ...reasons: string[]): error is ApiError => error instanceof ApiError && reasons.includes(error.reason);

export const isNotFound = (error: unknown): error is ApiError => hasReason(error, "NotFound");
export const isAlreadyExists = (error: unknown): error is ApiError => hasReason(error, "AlreadyExists");
/** The object changed since it was read, or a precondition did not hold. */
export const isConflict = (error: unknown): error is ApiError => hasReason(error, "Conflict");
/** The resource version or continue token is older than what the server keeps. */
export const isExpired = (error: unknown): error is ApiError => hasReason(error, "Expired", "Gone");
export const isForbidden = (error: unknown): error is ApiError => hasReason(error, "Forbidden");
export const isInvalid = (error: unknown): error is ApiError => hasReason(error, "Invalid");
export const isTooManyRequests = (error: unknown): error is ApiError => hasReason(error, "TooManyRequests");
/** No answer came, or the server says it cannot answer now. */
export const isUnavailable = (error: unknown): error is ApiError => hasReason(error, "Unavailable", "ServiceUnavailable");

/** The namespace is being deleted, so nothing new can be made in it. */
export function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof ApiError && (error.status.details?.causes ?? []).some((cause) => cause.reason === "NamespaceTerminating");
}
