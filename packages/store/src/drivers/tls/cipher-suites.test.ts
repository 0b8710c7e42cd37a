import { getCiphers } from "node:tls";
import { cipherList, unknownCipherSuite } from "./cipher-suites.js";

describe("cipher suites", () => {
  it("keeps those of TLS 1.3 beside the chosen ones", () => {
    expect(cipherList(["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"])?.split(":")).toEqual([
      ...["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
      "ECDHE-ECDSA-AES128-GCM-SHA256",
    ]);
    expect(cipherList([])).toBeUndefined();
  });

  it("gives names that OpenSSL has", () => {
    const list = cipherList(["TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]) ?? "";
    expect(list.split(":").filter((name) => !getCiphers().includes(name.toLowerCase()))).toEqual([]);
  });

  it("names the first that it does not know", () => {
    expect(unknownCipherSuite(["TLS_AES_128_GCM_SHA256", "FOO", "BAR"])).toBe("FOO");
    expect(unknownCipherSuite(["TLS_RSA_WITH_RC4_128_SHA"])).toBe("TLS_RSA_WITH_RC4_128_SHA");
    expect(unknownCipherSuite([])).toBeUndefined();
  });
});
