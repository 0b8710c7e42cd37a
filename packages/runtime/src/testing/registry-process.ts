// A test registry as a process, so that it can stand inside a node's network. Says "ready" and the images' digests on
// standard output, and ends with its standard input.
import { busyboxLayer } from "./busybox-image.js";
import { registryPort } from "./contract-images.js";
import { TestRegistry } from "./test-registry.js";

const registry = new TestRegistry();
await registry.listen({ port: registryPort });
const layers = [busyboxLayer(), [{ header: { name: "tmp/.wh.nothing" } }]];
const busybox = await registry.add({
  name: "test/busybox:1",
  layers,
  config: { Env: ["FROM_IMAGE=yes", "OVER=image"], Entrypoint: ["/bin/echo"], Cmd: ["from", "image"], WorkingDir: "/tmp" },
});
await registry.add({ name: "test/pause:1", layers, config: { Entrypoint: ["/bin/sleep", "1000000"] } });
process.stdout.write(`${JSON.stringify({ busyboxID: busybox, busyboxDigest: registry.digest("test/busybox:1") })}\n`);
process.stdin.resume();
process.stdin.once("end", () => process.exit(0));
