import { parseListOptions } from "../core/list-options.js";
import { watchObjects } from "../handlers/watch.js";
import { createWatchEncoder } from "./encode-watch.js";
import type { ResourceRequest } from "./resource-routes.js";
import { isExpected, representationFor, statusOf } from "./respond.js";

/** Streams a watch. Headers go out at once, so that clients know that the watch stands before anything happens. */
export async function serveWatch({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  const includeObject = exchange.query.get("includeObject");
  const encoder = createWatchEncoder({
    declaration,
    // There is no stream of YAML documents.
    representation: representation.encoding === "yaml" ? { ...representation, encoding: "json" } : representation,
    includeObject: includeObject === "None" || includeObject === "Object" ? includeObject : "Metadata",
    codec: machine.codec,
    nowMs: answer.nowMs,
  });
  const items = watchObjects(machine, call, { ...parseListOptions(exchange.query), watch: true });
  const stream = exchange.startStream(200, { "content-type": encoder.contentType });
  try {
    for await (const item of items) await stream.write(encoder.event(item));
    stream.end();
  } catch (error) {
    if (call.signal.aborted) {
      stream.end();
      return;
    }
    if (!isExpected(error)) machine.logger.error("Watch failed", { resource: declaration.plural, auditID: call.auditID, error });
    await stream.write(encoder.error(statusOf(error))).catch(() => {
      // The client is gone, so nobody is there to be told.
    });
    stream.end();
  }
}
