import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { ManualClock } from "@lenj/base/testing";
import { decodeProtectedHeader, jwtVerify, SignJWT } from "jose";
import { JWTTokens } from "./jwt-tokens.js";
import { type JWTMethod, parseTokenOptions } from "./token-options.js";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keyPairs: Readonly<Record<string, { readonly privateKey: KeyObject; readonly publicKey: KeyObject }>> = {
  RS256: rsa,
  PS512: rsa,
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES512: generateKeyPairSync("ec", { namedCurve: "P-521" }),
  EdDSA: generateKeyPairSync("ed25519"),
};
const alice = { username: "alice", revision: 7 };
const nowSeconds = 1_700_000_000;

function tokens(method: string, { privateKey, publicKey }: { privateKey: KeyObject | undefined; publicKey: KeyObject }) {
  const clock = new ManualClock(nowSeconds * 1_000);
  return {
    clock,
    tokens: new JWTTokens({ method: method as JWTMethod, ttlMs: 60_000 }, { signing: privateKey, checking: publicKey }, clock),
  };
}

/** By an RSA key of its own: a small one, since larger ones take seconds to find on a busy machine. */
function signedByAnother(signed: string): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  return `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
}

describe("signed tokens", () => {
  it.each(Object.keys(keyPairs))("with %s are what other programs sign and check", async (method) => {
    const keys = keyPairs[method] as (typeof keyPairs)[string];
    const { tokens: own } = tokens(method, keys);
    const issued = own.issue(alice);
    expect(decodeProtectedHeader(issued).alg).toBe(method);
    const { payload } = await jwtVerify(issued, keys.publicKey, { currentDate: new Date(nowSeconds * 1_000) });
    expect(payload).toEqual({ ...alice, exp: nowSeconds + 60 });
    const foreign = await new SignJWT({ ...alice })
      .setProtectedHeader({ alg: method })
      .setExpirationTime(nowSeconds + 10)
      .sign(keys.privateKey);
    expect(own.identify(foreign)).toEqual(alice);
  });

  it("end", () => {
    const { tokens: own, clock } = tokens("ES256", keyPairs["ES256"] as (typeof keyPairs)[string]);
    const token = own.issue(alice);
    clock.advance(59_000);
    expect(own.identify(token)).toEqual(alice);
    clock.advance(1_000);
    expect(own.identify(token)).toBeUndefined();
  });

  it("are refused when changed, unsigned, signed by another method or key, or no tokens at all", async () => {
    const { tokens: own } = tokens("RS256", rsa);
    const [head = "", body = "", mark = ""] = own.issue(alice).split(".");
    const as = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const bad = [
      "",
      "a.b",
      "a.b.c",
      `${head}.${body}`,
      `${head}.${body}.`,
      `${head}.${as({ ...alice, username: "root" })}.${mark}`,
      `${as({ alg: "none" })}.${body}.${mark}`,
      `${as({ alg: "none" })}.${body}.`,
      `${head}.${body}.${mark}.${mark}`,
      await new SignJWT({ ...alice }).setProtectedHeader({ alg: "PS256" }).sign(rsa.privateKey),
      await new SignJWT({ ...alice })
        .setProtectedHeader({ alg: "HS256" })
        .sign(Buffer.from(rsa.publicKey.export({ type: "spki", format: "pem" }))),
      signedByAnother(`${head}.${body}`),
      await new SignJWT({ username: "alice" }).setProtectedHeader({ alg: "RS256" }).sign(rsa.privateKey),
    ];
    for (const token of bad) expect(own.identify(token)).toBeUndefined();
  });

  it("cannot be made with a public key alone", () => {
    const { tokens: own } = tokens("RS256", { privateKey: undefined, publicKey: rsa.publicKey });
    expect(() => own.issue(alice)).toThrow("auth: token signing attempted with verify-only key");
  });
});

describe("--auth-token", () => {
  it("names what is wrong", () => {
    expect(parseTokenOptions("simple")).toEqual({ kind: "simple" });
    expect(parseTokenOptions("jwt,pub-key=a,priv-key=b,sign-method=RS256,ttl=10m")).toEqual({
      ...{ kind: "jwt", method: "RS256", publicKeyFile: "a", privateKeyFile: "b", ttlMs: 600_000 },
    });
    for (const text of ["oauth", "jwt", "jwt,sign-method=RS257,priv-key=x", "jwt,sign-method=RS256", "jwt,sign-method", "jwt,a=1,a=2"])
      expect(parseTokenOptions(text).kind).toBe("invalid");
    expect(parseTokenOptions("jwt,sign-method=HS256,pub-key=x").kind).toBe("invalid");
    expect(parseTokenOptions("jwt,sign-method=RS256,priv-key=x,ttl=soon").kind).toBe("invalid");
  });
});
