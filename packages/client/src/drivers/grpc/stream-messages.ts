import type { ClientReadableStream } from "@grpc/grpc-js";
import { apiErrorFromServiceError } from "./service-error.js";

/**
 * The messages of a server stream as an async sequence. Flow control is the stream's own: nothing is read ahead of the
 * consumer beyond one HTTP/2 window. Leaving the loop or aborting `signal` cancels the call.
 * A stream the server ends with OK ends the sequence; any other end throws.
 */
export async function* streamMessages<T>(open: () => ClientReadableStream<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void> {
  signal?.throwIfAborted();
  const call = open();
  const onAbort = (): void => call.cancel();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const message of call as AsyncIterable<T>) yield message;
  } catch (error) {
    signal?.throwIfAborted();
    throw apiErrorFromServiceError(error as Error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    // After the stream ended this is a no-op; a consumer that left early ends the call. The CANCELLED error it raises has no reader.
    call.on("error", () => {});
    call.cancel();
  }
}
