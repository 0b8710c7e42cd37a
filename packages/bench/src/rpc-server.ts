#!/usr/bin/env node
// One echo service on the driver that the first argument names; prints its port. Run by rpc.ts.
import { silentLogger } from "@lenj/base";
import { createGrpcJsDriver, createLeanDriver, Listener, type RpcDriverOptions, type RpcService } from "@lenj/rpc-server";

const identity = (bytes: Buffer): Buffer => bytes;
const echo: RpcService = {
  echo: {
    path: "/bench.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestDeserialize: identity,
    responseSerialize: identity,
  },
};
const options: RpcDriverOptions = {
  receiveBytesMax: 4 * 1_024 * 1_024,
  toStatus: () => ({ code: 2, details: "" }),
  logger: silentLogger,
};
const rpc = process.argv[2] === "lean" ? createLeanDriver(options) : createGrpcJsDriver(options);
rpc.addService(echo, { echo: identity });
const listener = await Listener.listen({ host: "127.0.0.1", port: 0, rpc });
console.log(listener.port);
