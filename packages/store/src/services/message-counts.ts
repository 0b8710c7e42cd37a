// What passes over each method of a service: messages and bytes, counted where they are decoded and encoded.
import type { RpcService } from "@lenj/rpc-server";

export interface MethodCounts {
  readonly path: string;
  received: number;
  receivedBytes: number;
  sent: number;
  sentBytes: number;
}

export class MessageCounts {
  readonly methods: MethodCounts[] = [];

  /** The same service, counted. */
  counted(service: RpcService): RpcService {
    const entries = Object.entries(service).map(([name, method]) => {
      const counts: MethodCounts = { path: method.path, received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 };
      this.methods.push(counts);
      const { requestDeserialize, responseSerialize } = method;
      return [
        name,
        {
          ...method,
          requestDeserialize: (bytes: Buffer): unknown => {
            counts.received += 1;
            counts.receivedBytes += bytes.length;
            return requestDeserialize(bytes);
          },
          responseSerialize: (message: never): Buffer => {
            const bytes = responseSerialize(message);
            counts.sent += 1;
            counts.sentBytes += bytes.length;
            return bytes;
          },
        },
      ];
    });
    return Object.fromEntries(entries) as RpcService;
  }
}
