#!/usr/bin/env node
// The embedded container runtime: a CRI server for one node.
import { type ComponentContext, type RunningComponent, runComponent, serveHealth } from "@lenj/component-base";
import { serveCRI } from "./drivers/cri-server.js";
import { Runtime } from "./drivers/runtime.js";
import { StreamingServer } from "./drivers/streaming/streaming-server.js";
import { type RuntimeProcessOptions, runtimeFlags, socketPath, validateRuntimeOptions } from "./options.js";

async function start(options: RuntimeProcessOptions, context: ComponentContext): Promise<RunningComponent> {
  const { logger, clock, health, metrics } = context;
  const runtime = new Runtime({
    layout: { root: options.root, state: options.state },
    mirrors: options.registryMirror,
    registryCertificates: options.registryCerts,
    sharedImageRoot: options.sharedImageRoot === "" ? undefined : options.sharedImageRoot,
    podCIDR: options.podCidr,
    seccompDirectory: options.seccompProfileRoot,
    ...{ clock, logger },
  });
  const streaming = new StreamingServer(runtime, logger);
  await streaming.listen(options.streamingAddress, options.streamingPort);
  const closeCRI = await serveCRI(socketPath(options.listen) as string, runtime, streaming);
  const healthServer =
    options.healthPort === 0 ? undefined : await serveHealth({ address: options.healthAddress, port: options.healthPort, health, metrics });
  logger.info("Serving the CRI", { socket: options.listen });
  return {
    // Containers go on; the next runtime finds them.
    close: async () => {
      await closeCRI();
      await streaming.close();
      runtime.close();
      await healthServer?.close();
    },
  };
}

await runComponent({
  name: "lenj-runtime",
  description: "The Lenj runtime runs containers for a kubelet, behind the CRI.",
  flags: runtimeFlags,
  validate: validateRuntimeOptions,
  start,
});
