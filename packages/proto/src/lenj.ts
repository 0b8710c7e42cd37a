/** The api-server's gRPC API: messages, the service definition and its client. Source: /proto/lenj. */
export * from "./gen/wire/lenj/api/v1/api.js";
