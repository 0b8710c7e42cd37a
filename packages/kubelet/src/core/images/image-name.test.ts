import { pullPolicyOf, registryOf, withDefaultTag } from "./image-name.js";
import { pullCredentials } from "./pull-credentials.js";

describe("withDefaultTag", () => {
  it.each([
    ["busybox", "busybox:latest"],
    ["busybox:1", "busybox:1"],
    ["localhost:5000/a/b", "localhost:5000/a/b:latest"],
    [`a@sha256:${"0".repeat(64)}`, `a@sha256:${"0".repeat(64)}`],
  ])("%s: %s", (name, expected) => expect(withDefaultTag(name)).toBe(expected));
  it.each([
    ["Busybox", "repository name must be lowercase"],
    ["a b", "invalid reference format"],
    [":1", "invalid reference format"],
  ])("refuses %s: %s", (name, why) => {
    expect(() => withDefaultTag(name)).toThrow(`couldn't parse image name ${JSON.stringify(name)}: `);
    expect(() => withDefaultTag(name)).toThrow(why);
  });
});

it.each([
  ["a:latest", undefined, "Always"],
  ["a:1", undefined, "IfNotPresent"],
  ["a:latest", "Never", "Never"],
])("pull policy of %s with %s is %s", (image, policy, expected) => expect(pullPolicyOf(image, policy)).toBe(expected));

it.each([
  ["busybox", "docker.io"],
  ["library/busybox", "docker.io"],
  ["localhost/a", "localhost"],
  ["quay.io/a/b", "quay.io"],
])("registry of %s is %s", (name, registry) => expect(registryOf(name)).toBe(registry));

describe("pullCredentials", () => {
  const decode = (text: string): string => Buffer.from(text, "base64").toString();
  const config = (auths: Record<string, object>): string => JSON.stringify({ auths });
  const found = (image: string, auths: Record<string, object>): string[] =>
    pullCredentials(image, [config(auths)], decode).map((credential) => `${credential.username}:${credential.password}`);
  const user = (name: string): object => ({ username: name, password: "p" });

  it.each([
    ["quay.io/a/b:1", { "quay.io": user("host"), "quay.io/a": user("path"), "other.io": user("no") }, ["path:p", "host:p"]],
    ["busybox", { "https://index.docker.io/v1/": user("hub") }, ["hub:p"]],
    ["reg.example.com/x", { "*.example.com": user("glob") }, ["glob:p"]],
    ["a.reg.example.com/x", { "*.example.com": user("glob") }, []],
    ["quay.io/ab", { "quay.io/a": user("other") }, []],
  ])("%s", (image, auths, credentials) => expect(found(image, auths)).toEqual(credentials));

  it("reads the encoded form, and passes by what is no configuration", () => {
    expect(found("quay.io/a", { "quay.io": { auth: Buffer.from("u:p:q").toString("base64") } })).toEqual(["u:p:q"]);
    expect(pullCredentials("quay.io/a", ["not json"], decode)).toEqual([]);
  });
});
