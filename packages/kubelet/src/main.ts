#!/usr/bin/env node
// lenj-kubelet: runs the pods that are bound to its node.
import { runComponent } from "@lenj/component-base";
import { kubeletFlags, validateOptions } from "./options.js";

await runComponent({
  name: "lenj-kubelet",
  description: "Runs the pods bound to this node through the Container Runtime Interface and reports on them and on the node.",
  flags: kubeletFlags,
  validate: validateOptions,
  start: async (options, context) => {
    const { startProcess } = await import("./process.js");
    return startProcess(options, context);
  },
});
