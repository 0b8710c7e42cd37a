// `lenj kubectl` and `lenj env`: other programs pointed at this lab.
import { spawn } from "node:child_process";
import { resolveKubectl } from "../drivers/kubectl-program.js";
import { readLab } from "../drivers/lab-state.js";

/** Runs kubectl with the lab's kubeconfig; resolves with its exit code. */
export async function kubectl(args: readonly string[], options: { state: string }): Promise<number> {
  const { paths } = readLab(options.state);
  const program = await resolveKubectl(paths.state);
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, KUBECONFIG: `${paths.state}/kubeconfig` } });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 128));
  });
}

/** Lines for `eval "$(lenj env)"`. */
export function formatEnvironment(options: { state: string }): string {
  const { config, paths } = readLab(options.state);
  const variables = {
    KUBECONFIG: `${paths.state}/kubeconfig`,
    ETCDCTL_API: "3",
    // Without https://: etcdctl 3.4 would send the scheme in HTTP/2's :authority, which is not valid there; the certificates say TLS.
    ETCDCTL_ENDPOINTS: config.ports.stores.map((port) => `127.0.0.1:${port}`).join(","),
    ETCDCTL_CACERT: `${paths.pki}/etcd/ca.crt`,
    ETCDCTL_CERT: `${paths.pki}/etcd/client.crt`,
    ETCDCTL_KEY: `${paths.pki}/etcd/client.key`,
  };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`)
    .join("");
}
