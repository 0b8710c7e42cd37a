// A promise client of the CRI for tests.
import { type CallOptions, credentials, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { ImageServiceClient, RuntimeServiceClient } from "@lenj/proto/cri";

export interface CRIClient {
  readonly runtime: RuntimeServiceClient;
  readonly images: ImageServiceClient;
  close(): void;
}

/** `socket`: path of the runtime's unix socket. */
export function connectCRI(socket: string): CRIClient {
  const runtime = new RuntimeServiceClient(`unix:${socket}`, credentials.createInsecure());
  const images = new ImageServiceClient(`unix:${socket}`, credentials.createInsecure());
  return {
    runtime,
    images,
    close: () => {
      runtime.close();
      images.close();
    },
  };
}

type UnaryMethod<Request, Response> = (request: Request, callback: (error: ServiceError | null, response: Response) => void) => unknown;

/** Calls one method: `call(client.runtime, client.runtime.version, { version: "" })`. Rejects with the ServiceError. */
export function call<Request, Response>(
  client: object,
  method:
    | UnaryMethod<Request, Response>
    | ((
        request: Request,
        metadata: Metadata,
        options: CallOptions,
        callback: (error: ServiceError | null, response: Response) => void,
      ) => unknown),
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    (method as UnaryMethod<Request, Response>).call(client, request, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}
