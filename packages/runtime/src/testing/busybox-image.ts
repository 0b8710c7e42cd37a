// An image of the machine's own busybox, as layers of a test's image.
import { existsSync, readFileSync } from "node:fs";
import type { TestFile } from "./test-registry.js";

/** Undefined on a machine without busybox. */
export const busyboxPath = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));

const applets = [
  ...["cat", "dd", "echo", "false", "grep", "hostname", "id", "kill", "ls", "mount", "nc", "printf", "pwd", "seq", "sh"],
  ...["sleep", "stty", "tail", "touch", "tr", "true", "wc"],
];

export function busyboxLayer(): TestFile[] {
  return [
    { header: { name: "bin/", type: "directory", mode: 0o755 } },
    { header: { name: "bin/busybox", mode: 0o755 }, content: readFileSync(busyboxPath as string) },
    ...applets.map((name) => ({ header: { name: `bin/${name}`, type: "symlink" as const, linkname: "busybox" } })),
    { header: { name: "etc/", type: "directory", mode: 0o755 } },
    { header: { name: "etc/passwd" }, content: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n" },
    { header: { name: "etc/group" }, content: "root:x:0:\nalice:x:1000:\nvideo:x:44:alice\n" },
    { header: { name: "tmp/", type: "directory", mode: 0o1777 } },
    // Where images have nothing there, a runtime has to make the mount points itself; some refuse to.
    ...["dev/", "proc/", "sys/"].map((name) => ({ header: { name, type: "directory" as const, mode: 0o755 } })),
  ];
}
