import type { corev1 } from "@lenj/proto/k8s";
import { container, pod } from "../../testing/pod-fixtures.js";
import { commonRunAsUser, type PayloadSources, tokenKey, volumePayload, volumeReferences } from "./payload.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const sources = (more: Partial<PayloadSources> = {}): PayloadSources => ({
  pod: pod({ containers: [container("app", { resources: { limits: { cpu: "2" } } })] }, { labels: { app: "web" } }),
  podIPs: [],
  hostIPs: [],
  allocatable: {},
  configMap: (name) => (name === "cm" ? { data: { a: "A", b: "B" }, binaryData: { raw: "raw" } } : undefined),
  secret: (name) => (name === "sec" ? { data: { key: "value" } } : undefined),
  token: (key) => (key === "vault/600" ? "jwt" : undefined),
  encode,
  decodeBase64: encode,
  ...more,
});
const files = (volume: Omit<corev1.Volume, "name">, from = sources()): Record<string, [string, string]> =>
  Object.fromEntries(
    [...volumePayload({ name: "v", ...volume }, from)].map(([path, file]) => [
      path,
      [new TextDecoder().decode(file.content), file.mode.toString(8)],
    ]),
  );

describe("volumePayload", () => {
  it("gives every key of a configMap, mode 0644 by default", () => {
    expect(files({ configMap: { name: "cm" } })).toEqual({ a: ["A", "644"], b: ["B", "644"], raw: ["raw", "644"] });
  });

  it("gives only the items asked for, at their paths and modes", () => {
    const items = [
      { key: "a", path: "deep/er" },
      { key: "b", path: "b", mode: 0o400 },
    ];
    expect(files({ configMap: { name: "cm", items, defaultMode: 0o600 } })).toEqual({ "deep/er": ["A", "600"], b: ["B", "400"] });
  });

  it("gives secrets", () => expect(files({ secret: { secretName: "sec", defaultMode: 0o400 } })).toEqual({ key: ["value", "400"] }));

  it("gives fields and resources", () => {
    const items = [
      { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
      { path: "cpu", resourceFieldRef: { containerName: "app", resource: "limits.cpu" }, mode: 0o440 },
    ];
    expect(files({ downwardAPI: { items } })).toEqual({ labels: ['app="web"', "644"], cpu: ["2", "440"] });
  });

  it("gathers projected sources in one folder, later ones over earlier", () => {
    const projected: corev1.ProjectedVolumeSource = {
      defaultMode: 0o640,
      sources: [
        { configMap: { name: "cm", items: [{ key: "a", path: "x" }] } },
        { secret: { name: "sec", items: [{ key: "key", path: "x" }] } },
        { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
        { serviceAccountToken: { path: "token", audience: "vault", expirationSeconds: 600 } },
      ],
    };
    expect(files({ projected })).toEqual({ x: ["value", "640"], name: ["web", "640"], token: ["jwt", "640"] });
  });

  it.each([
    ["an fsGroup", pod({ securityContext: { fsGroup: 5 } })],
    ["one user for all containers", pod({ securityContext: { runAsUser: 7 } })],
  ])("keeps a token to its owner in a pod with %s", (_, wanted) => {
    const projected = { sources: [{ serviceAccountToken: { path: "token", audience: "vault", expirationSeconds: 600 } }] };
    expect(files({ projected }, sources({ pod: wanted }))["token"]).toEqual(["jwt", "600"]);
  });

  it.each([
    [{ configMap: { name: "no" } }, 'configmap "no" not found'],
    [{ secret: { secretName: "no" } }, 'secret "no" not found'],
    [{ configMap: { name: "cm", items: [{ key: "z", path: "z" }] } }, "configmap references non-existent config key: z"],
    [{ secret: { secretName: "sec", items: [{ key: "z", path: "z" }] } }, "references non-existent secret key: z"],
    [{ projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }, "failed to fetch token"],
    [
      { downwardAPI: { items: [{ path: "x", resourceFieldRef: { containerName: "no", resource: "limits.cpu" } }] } },
      "container no not found",
    ],
    [{ configMap: { name: "cm", items: [{ key: "a", path: "../../etc/passwd" }] } }, "must not contain '..'"],
  ])("refuses %j", (volume, message) => expect(() => files(volume)).toThrow(message));

  it.each([
    [{ configMap: { name: "no", optional: true } }],
    [{ secret: { secretName: "no", optional: true } }],
    [{ configMap: { name: "cm", optional: true, items: [{ key: "z", path: "z" }] } }],
    [{ projected: { sources: [{ secret: { name: "no", optional: true } }] } }],
  ])("is empty where it is optional: %j", (volume) => expect(files(volume)).toEqual({}));
});

describe("volumeReferences", () => {
  it("names objects and tokens of a volume", () => {
    const token = { path: "t", expirationSeconds: 600 };
    const found = volumeReferences({
      name: "v",
      projected: { sources: [{ configMap: { name: "cm" } }, { secret: { name: "sec" } }, { serviceAccountToken: token }] },
    });
    expect(found).toEqual({ configMaps: new Set(["cm"]), secrets: new Set(["sec"]), tokens: [token] });
    expect(tokenKey(token)).toBe("/600");
    expect(tokenKey({ path: "t" })).toBe("/3600");
  });
});

describe("commonRunAsUser", () => {
  it.each([
    [pod({ securityContext: { runAsUser: 5 } }), 5],
    [pod({ containers: [container("a", { securityContext: { runAsUser: 5 } }), container("b")] }), undefined],
    [pod({}), undefined],
  ])("of %j is %s", (wanted, user) => expect(commonRunAsUser(wanted)).toBe(user));
});
