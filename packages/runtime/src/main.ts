#!/usr/bin/env node
// lenj-runtime: containers for one node, through the Container Runtime Interface.
import { runComponent, serveHealth } from "@lenj/component-base";
import { runtimeFlags, validateOptions } from "./options.js";
import { startRuntime } from "./server.js";

await runComponent({
  name: "lenj-runtime",
  description: "Runs pods' containers on this node and serves the Container Runtime Interface (runtime.v1) on a unix socket.",
  flags: runtimeFlags,
  validate: validateOptions,
  start: async (options, context) => {
    const running = await startRuntime({
      layout: { root: options.root, state: options.state },
      mirrors: options.registryMirror,
      sharedImageRoot: options.sharedImageRoot === "" ? undefined : options.sharedImageRoot,
      podCIDR: options.podCidr,
      seccompDirectory: options.seccompProfileRoot,
      clock: context.clock,
      logger: context.logger,
      listen: options.listen,
      streamingAddress: options.streamingAddress,
      streamingPort: options.streamingPort,
    });
    const health = options.healthPort === 0 ? undefined : await serveHealth({ address: options.healthAddress, port: options.healthPort, health: context.health, metrics: context.metrics });
    return {
      close: async () => {
        await health?.close();
        await running.close();
      },
    };
  },
});
