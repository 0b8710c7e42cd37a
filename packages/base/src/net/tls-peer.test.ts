import type { PeerCertificate } from "node:tls";
import { tlsPeerOf } from "./tls-peer.js";

const certificateFor = (address: string): PeerCertificate =>
  ({ subject: { CN: "server" }, subjectaltname: `IP Address:${address}` }) as unknown as PeerCertificate;

describe("tlsPeerOf()", () => {
  it("leaves peers with a name alone", () => {
    expect(tlsPeerOf("store-1:2379")).toEqual({});
    expect(tlsPeerOf("localhost")).toEqual({});
  });

  it.each([
    ["10.200.0.21:6444", "10.200.0.21", "ip-10-200-0-21"],
    ["127.0.0.1", "127.0.0.1", "ip-127-0-0-1"],
    ["[fd00::1]:2379", "fd00::1", "ip-fd00-1"],
    ["::1", "::1", "ip-1"],
  ])("names no address of %s in TLS, but wants a certificate for %s", (target, address, serverName) => {
    const peer = tlsPeerOf(target);
    expect(peer.serverName).toBe(serverName);
    expect(peer.checkServerIdentity?.(serverName, certificateFor(address))).toBeUndefined();
    expect(peer.checkServerIdentity?.(serverName, certificateFor("192.0.2.1"))?.message).toContain(
      `IP: ${address} is not in the cert's list`,
    );
  });
});
