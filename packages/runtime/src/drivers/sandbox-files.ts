// The files that all containers of a pod see unless the pod brings its own: hostname, hosts, resolv.conf.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DNSConfig } from "@lenj/proto/cri";

/** Container path and node path of each. */
export function sandboxFiles(directory: string): { containerPath: string; source: string }[] {
  return ["hostname", "hosts", "resolv.conf"].map((name) => ({ containerPath: `/etc/${name}`, source: join(directory, name) }));
}

export function writeSandboxFiles(directory: string, options: { hostname: string; dns: DNSConfig | undefined }): void {
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text, { mode: 0o644 });
  write("hostname", `${options.hostname}\n`);
  copyOr("/etc/hosts", join(directory, "hosts"), "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
  const dns = options.dns === undefined ? "" : formatResolvConf(options.dns);
  if (dns === "") copyOr("/etc/resolv.conf", join(directory, "resolv.conf"), "");
  else write("resolv.conf", dns);
}

/** Text of a resolv.conf. Upstream: containerd's parseDNSOptions. */
export function formatResolvConf(dns: DNSConfig): string {
  const lines: string[] = [];
  if (dns.searches.length > 0) lines.push(`search ${dns.searches.join(" ")}`);
  lines.push(...dns.servers.map((server) => `nameserver ${server}`));
  if (dns.options.length > 0) lines.push(`options ${dns.options.join(" ")}`);
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function copyOr(source: string, target: string, fallback: string): void {
  if (existsSync(source)) copyFileSync(source, target);
  else writeFileSync(target, fallback, { mode: 0o644 });
}
