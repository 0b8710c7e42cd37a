import { generateKeyPairSync } from "node:crypto";
import { ManualClock } from "@lenj/base/testing";
import { MemoryReader } from "../testing/memory-reader.js";
import type { AuthenticationResult, KubeObject } from "./ports.js";
import { ServiceAccountAuthenticator } from "./service-account-tokens.js";
import { readTokenKeys, signToken, type TokenKeys } from "./token-keys.js";
import { tokenRequestHandler } from "./token-requests.js";

const core = (resource: string): { group: string; resource: string } => ({ group: "", resource });
const signal = new AbortController().signal;
const settings = { issuers: ["https://issuer", "https://former"] as [string, ...string[]], audiences: ["https://issuer"] };

function keyPair(type: "ec" | "rsa"): TokenKeys {
  const pair = type === "ec" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: 2048 });
  return readTokenKeys(pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(), []);
}

const keys = keyPair("ec");

interface Setting {
  readonly reader: MemoryReader;
  readonly clock: ManualClock;
  check(token: string, audiences?: readonly string[]): Promise<AuthenticationResult>;
  request(spec: object, account?: string): Promise<{ token: string; expirationTimestamp: string }>;
}

function setting(own = keys): Setting {
  const reader = new MemoryReader();
  const clock = new ManualClock();
  reader.put(core("serviceaccounts"), { metadata: { namespace: "ns", name: "sa", uid: "sa-uid" } } as KubeObject);
  reader.put(core("nodes"), { metadata: { name: "n1", uid: "node-uid" } } as KubeObject);
  reader.put(core("pods"), {
    metadata: { namespace: "ns", name: "p", uid: "pod-uid" },
    spec: { serviceAccountName: "sa", nodeName: "n1" },
  } as KubeObject);
  reader.put(core("secrets"), { metadata: { namespace: "ns", name: "s", uid: "secret-uid" } } as KubeObject);
  const authenticator = new ServiceAccountAuthenticator(own, settings, reader, clock);
  const handler = tokenRequestHandler(own, settings, reader, clock);
  return {
    reader,
    clock,
    check: (token, audiences = settings.audiences) => authenticator.check(token, audiences, signal),
    request: async (spec, name = "sa") => {
      const object = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec } as KubeObject;
      const user = { username: "u", groups: [] };
      const answer = await handler({ user, namespace: "ns", name, object, dryRun: false, signal });
      return (answer as unknown as { status: { token: string; expirationTimestamp: string } }).status;
    },
  };
}

const toPod = { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p", uid: "pod-uid" } };
const toNode = { boundObjectRef: { apiVersion: "v1", kind: "Node", name: "n1" } };
const toSecret = { boundObjectRef: { apiVersion: "v1", kind: "Secret", name: "s" } };

function claimsOf(token: string): Record<string, unknown> & { exp: number } {
  return JSON.parse(Buffer.from(token.split(".")[1] as string, "base64url").toString("utf8")) as Record<string, unknown> & { exp: number };
}

describe("token requests", () => {
  it.each(["ec", "rsa"] as const)("make tokens that %s keys vouch for", async (type) => {
    const { check, request } = setting(keyPair(type));
    const { token, expirationTimestamp } = await request(toPod);
    expect(expirationTimestamp).toBe("2026-01-01T01:00:00Z");
    const { jti } = claimsOf(token);
    expect(await check(token)).toEqual({
      outcome: "authenticated",
      audiences: ["https://issuer"],
      user: {
        username: "system:serviceaccount:ns:sa",
        uid: "sa-uid",
        groups: ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"],
        extra: {
          "authentication.kubernetes.io/credential-id": [`JTI=${String(jti)}`],
          "authentication.kubernetes.io/pod-name": ["p"],
          "authentication.kubernetes.io/pod-uid": ["pod-uid"],
          "authentication.kubernetes.io/node-name": ["n1"],
          "authentication.kubernetes.io/node-uid": ["node-uid"],
        },
      },
    });
  });

  it("let the default token of a pod live on for a year, but not one for somebody else", async () => {
    const { request } = setting();
    const startSeconds = Date.UTC(2026, 0, 1) / 1_000;
    const year = 365 * 24 * 3_600;
    const own = claimsOf((await request({ ...toPod, expirationSeconds: 3_607 })).token);
    expect([own.exp - startSeconds, (own["kubernetes.io"] as { warnafter: number }).warnafter - startSeconds]).toEqual([year, 3_607]);
    const foreign = claimsOf((await request({ ...toPod, expirationSeconds: 3_607, audiences: ["vault"] })).token);
    expect(foreign.exp - startSeconds).toBe(3_607);
  });

  it.each([
    [
      { expirationSeconds: 599 },
      "sa",
      "Invalid",
      "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes",
    ],
    [{ expirationSeconds: 2 ** 32 + 1 }, "sa", "Invalid", "may not specify a duration larger than 2^32 seconds"],
    [{}, "nobody", "NotFound", 'serviceaccounts "nobody" not found'],
    [{ boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "gone" } }, "sa", "NotFound", 'pods "gone" not found'],
    [
      { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p", uid: "old" } },
      "sa",
      "Conflict",
      "the UID in the bound object reference (old) does not match the UID in record. The object might have been deleted and then recreated",
    ],
    [
      { boundObjectRef: { apiVersion: "v1", kind: "ConfigMap", name: "x" } },
      "sa",
      "BadRequest",
      "cannot bind token for serviceaccount to object of type v1, Kind=ConfigMap",
    ],
  ])("refuse %j for %s with %s", async (spec, account, reason, text) => {
    await expect(setting().request(spec, account)).rejects.toMatchObject({ status: { reason, message: expect.stringContaining(text) } });
  });

  it("refuse to bind an account's token to a pod of another account", async () => {
    const { reader, request } = setting();
    reader.put(core("serviceaccounts"), { metadata: { namespace: "ns", name: "other", uid: "o" } } as KubeObject);
    await expect(request(toPod, "other")).rejects.toThrow(
      'cannot bind token for serviceaccount "other" to pod running with different serviceaccount name.',
    );
  });
});

describe("bound tokens", () => {
  const gone = "service account token has been invalidated";

  it.each([
    [toPod, "pods", "ns", "p", "pod UID (new) does not match service account pod ref claim (pod-uid)"],
    [toSecret, "secrets", "ns", "s", "secret UID (new) does not match service account secret ref claim (secret-uid)"],
    [toNode, "nodes", undefined, "n1", "node UID (new) does not match service account node ref claim (node-uid)"],
  ])("end with what they are bound to: %j", async (spec, resource, namespace, name, mismatch) => {
    const { reader, clock, check, request } = setting();
    const { token } = await request(spec);
    expect((await check(token)).outcome).toBe("authenticated");
    const known = reader.get(core(resource), namespace, name) as KubeObject;
    reader.put(core(resource), { ...known, metadata: { ...known.metadata, deletionTimestamp: "2026-01-01T00:00:30Z" } });
    clock.advance(90_000);
    expect((await check(token)).outcome).toBe("authenticated");
    clock.advance(2_000);
    expect(await check(token)).toEqual({ outcome: "invalid", message: gone });
    reader.put(core(resource), { ...known, metadata: { ...known.metadata, uid: "new" } });
    expect(await check(token)).toEqual({ outcome: "invalid", message: mismatch });
    reader.remove(core(resource), namespace, name);
    expect(await check(token)).toEqual({ outcome: "invalid", message: gone });
  });

  it("of a pod outlive its node's object, which is the pod's matter", async () => {
    const { reader, check, request } = setting();
    const { token } = await request(toPod);
    reader.remove(core("nodes"), undefined, "n1");
    expect((await check(token)).outcome).toBe("authenticated");
  });

  it("are good before the cache has heard of the pod", async () => {
    const { reader, check, request } = setting();
    const { token } = await request(toPod);
    const pod = reader.get(core("pods"), "ns", "p") as KubeObject;
    reader.remove(core("pods"), "ns", "p");
    reader.putStoredOnly(core("pods"), pod);
    expect((await check(token)).outcome).toBe("authenticated");
  });

  it("end with their account", async () => {
    const { reader, check, request } = setting();
    const { token } = await request({});
    reader.put(core("serviceaccounts"), { metadata: { namespace: "ns", name: "sa", uid: "new" } } as KubeObject);
    expect(await check(token)).toEqual({ outcome: "invalid", message: "service account UID (new) does not match claim (sa-uid)" });
    reader.remove(core("serviceaccounts"), "ns", "sa");
    expect(await check(token)).toEqual({ outcome: "invalid", message: 'serviceaccounts "sa" not found' });
  });

  it("expire, with a minute for clocks that differ", async () => {
    const { clock, check, request } = setting();
    const { token } = await request({ expirationSeconds: 600 });
    clock.advance(659_000);
    expect((await check(token)).outcome).toBe("authenticated");
    clock.advance(1_000);
    expect(await check(token)).toEqual({ outcome: "invalid", message: "service account token has expired" });
  });

  it("are for their audiences only", async () => {
    const { check, request } = setting();
    const { token } = await request({ audiences: ["vault"] });
    expect(await check(token)).toEqual({
      outcome: "invalid",
      message: 'token audiences ["vault"] is invalid for the target audiences ["https://issuer"]',
    });
    expect(await check(token, ["vault", "x"])).toMatchObject({ outcome: "authenticated", audiences: ["vault"] });
  });

  it("of a former issuer are good, those of strangers are nobody's", async () => {
    const { check } = setting();
    const sign = (iss: string, own: TokenKeys = keys): string => {
      const exp = Date.UTC(2026, 0, 1) / 1_000 + 60;
      const account = { namespace: "ns", serviceaccount: { name: "sa", uid: "sa-uid" } };
      return signToken(own.signing as NonNullable<TokenKeys["signing"]>, { iss, aud: ["https://issuer"], exp, "kubernetes.io": account });
    };
    expect((await check(sign("https://former"))).outcome).toBe("authenticated");
    expect((await check(sign("https://stranger"))).outcome).toBe("none");
    expect((await check(sign("https://issuer", keyPair("ec")))).outcome).toBe("none");
    expect((await check("opaque")).outcome).toBe("none");
    const [head, body, signature] = sign("https://issuer").split(".") as [string, string, string];
    const forged = Buffer.from(Buffer.from(body, "base64url").toString("utf8").replace('"sa"', '"root"')).toString("base64url");
    expect((await check(`${head}.${forged}.${signature}`)).outcome).toBe("none");
  });
});

describe("tokens kept in secrets", () => {
  const claims = {
    iss: "kubernetes/serviceaccount",
    sub: "system:serviceaccount:ns:sa",
    "kubernetes.io/serviceaccount/namespace": "ns",
    "kubernetes.io/serviceaccount/secret.name": "legacy",
    "kubernetes.io/serviceaccount/service-account.name": "sa",
    "kubernetes.io/serviceaccount/service-account.uid": "sa-uid",
  };
  const sign = (changed: object = {}): string => signToken(keys.signing as NonNullable<TokenKeys["signing"]>, { ...claims, ...changed });
  const secret = (token: string, metadata: object = {}): KubeObject =>
    ({
      metadata: { namespace: "ns", name: "legacy", ...metadata },
      data: { token: Buffer.from(token).toString("base64") },
    }) as KubeObject;

  it("are good while the secret holds exactly them", async () => {
    const { reader, check } = setting();
    const token = sign();
    reader.put(core("secrets"), secret(token));
    expect(await check(token)).toMatchObject({
      outcome: "authenticated",
      user: { username: "system:serviceaccount:ns:sa", uid: "sa-uid" },
    });
    reader.put(core("secrets"), secret(sign({ extra: "newer" })));
    expect(await check(token)).toEqual({ outcome: "invalid", message: "Token does not match server's copy" });
    reader.put(core("secrets"), secret(token, { deletionTimestamp: "2026-01-01T00:00:00Z" }));
    expect(await check(token)).toEqual({ outcome: "invalid", message: "Token has been invalidated" });
    reader.remove(core("secrets"), "ns", "legacy");
    expect(await check(token)).toEqual({ outcome: "invalid", message: "Token has been invalidated" });
  });

  it.each([
    [{ "kubernetes.io/serviceaccount/namespace": undefined }, "namespace claim is missing"],
    [{ "kubernetes.io/serviceaccount/secret.name": undefined }, "secretName claim is missing"],
    [{ "kubernetes.io/serviceaccount/service-account.name": undefined }, "serviceAccountName claim is missing"],
    [{ "kubernetes.io/serviceaccount/service-account.uid": undefined }, "serviceAccountUID claim is missing"],
    [{ sub: "system:serviceaccount:ns:other" }, "sub claim is invalid"],
    [{ "kubernetes.io/serviceaccount/service-account.uid": "old" }, "ServiceAccount UID (sa-uid) does not match claim (old)"],
  ])("with %j are bad", async (changed, message) => {
    const { reader, check } = setting();
    const token = sign(changed);
    reader.put(core("secrets"), secret(token));
    expect(await check(token)).toEqual({ outcome: "invalid", message });
  });

  it("that were marked invalid stay so until the mark is taken away", async () => {
    const { reader, check } = setting();
    const token = sign();
    reader.put(core("secrets"), secret(token, { labels: { "kubernetes.io/legacy-token-invalid-since": "2025-12-01" } }));
    expect(await check(token)).toMatchObject({
      outcome: "invalid",
      message: expect.stringContaining("the token in secret ns/legacy for service account ns/sa has been marked invalid."),
    });
  });
});
