import { newBadRequest, newGenericServerResponse, type StatusError } from "../errors/status-error.js";

/**
 * MALFORMED:    the patch document itself is wrong (400).
 * INAPPLICABLE: it does not fit the object, such as a failed test or a missing path (422).
 * TOO_LARGE:    more operations than allowed (413).
 */
export type PatchErrorCode = "MALFORMED" | "INAPPLICABLE" | "TOO_LARGE";

export class PatchError extends Error {
  override readonly name = "PatchError";
  constructor(
    readonly code: PatchErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** The Status upstream answers with. For 422 its text is fixed and says nothing of the reason. */
export function patchErrorToStatus(error: PatchError): StatusError {
  if (error.code === "MALFORMED") return newBadRequest(error.message);
  const failure = newGenericServerResponse({
    code: error.code === "TOO_LARGE" ? 413 : 422,
    verb: "",
    resource: { group: "", resource: "" },
    name: "",
    serverMessage: error.message,
    retryAfterSeconds: 0,
    unexpected: false,
  });
  if (error.code === "TOO_LARGE") {
    failure.status.reason = "RequestEntityTooLarge";
    failure.status.message = `Request entity too large: ${error.message}`;
  }
  return failure;
}
