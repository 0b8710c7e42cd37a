import { formatImageReference, formatRepository, isImageID, parseImageReference } from "./image-reference.js";

const digest = `sha256:${"a".repeat(64)}`;

describe("parseImageReference", () => {
  it.each([
    ["busybox", "docker.io/library/busybox:latest"],
    ["team/web", "docker.io/team/web:latest"],
    ["index.docker.io/busybox:1", "docker.io/library/busybox:1"],
    ["registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"],
    ["localhost/a", "localhost/a:latest"],
    ["localhost:5000/a/b/c:v1_2.3-x", "localhost:5000/a/b/c:v1_2.3-x"],
    [`quay.io/a@${digest}`, `quay.io/a@${digest}`],
    [`quay.io/a:1@${digest}`, `quay.io/a:1@${digest}`],
    ["[::1]:5000/a", "[::1]:5000/a:latest"],
  ])("%s is %s", (text, full) => expect(formatImageReference(parseImageReference(text))).toBe(full));

  it.each([
    ["", "invalid reference format"],
    ["quay.io/Team/web", "repository name must be lowercase"],
    ["quay.io/a:b:c", "invalid reference format"],
    ["quay.io/a b", "invalid reference format"],
    ["quay.io/a--/b", "invalid reference format"],
    ["quay.io/a@sha256:abc", "invalid reference format"],
    [`quay.io/a@sha256:${"a".repeat(40)}`, "invalid checksum digest length"],
    [`quay.io/${"a".repeat(256)}`, "repository name must not be more than 255 characters"],
  ])("refuses %s", (text, reason) => {
    expect(() => parseImageReference(text)).toThrow(`failed to parse image reference "${text}": ${reason}`);
  });

  it("tells repositories and IDs", () => {
    expect(formatRepository(parseImageReference("busybox:1"))).toBe("docker.io/library/busybox");
    expect([digest, "a".repeat(64), "a".repeat(12), "busybox"].map(isImageID)).toEqual([true, true, false, false]);
  });
});
