// TLS material from files, and noticing when they are renewed.
import { readFileSync, statSync } from "node:fs";

/** PEM texts of one TLS identity. */
export interface TLSMaterial {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

export interface TLSFiles {
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
}

/** Reads the named files. Throws Error naming the file that could not be read. */
export function readTLSFiles(files: TLSFiles): TLSMaterial {
  return {
    ...(isGiven(files.certFile) ? { cert: readFileSync(files.certFile, "utf8") } : {}),
    ...(isGiven(files.keyFile) ? { key: readFileSync(files.keyFile, "utf8") } : {}),
    ...(isGiven(files.caFile) ? { ca: readFileSync(files.caFile, "utf8") } : {}),
  };
}

/** What is wrong with the combination of files, before anything is read. */
export function validateTLSFiles(files: TLSFiles, flagPrefix: { cert: string; key: string }): string[] {
  if (isGiven(files.certFile) === isGiven(files.keyFile)) return [];
  return [`--${flagPrefix.cert} and --${flagPrefix.key} must be given together`];
}

/**
 * Calls `onChange` with fresh material when one of the files is replaced; looks every `intervalMs` (default one minute).
 * A file that is unreadable or half-written is looked at again next time. Returns the function that stops looking.
 */
export function watchTLSFiles(files: TLSFiles, onChange: (material: TLSMaterial) => void, intervalMs = 60_000): () => void {
  let seen = fingerprint(files);
  const timer = setInterval(() => {
    const now = fingerprint(files);
    if (now === seen || now === undefined) return;
    try {
      onChange(readTLSFiles(files));
      seen = now;
    } catch {
      // Half-written: the next look finds the whole file.
    }
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

function fingerprint(files: TLSFiles): string | undefined {
  try {
    return [files.certFile, files.keyFile, files.caFile]
      .filter(isGiven)
      .map((file) => {
        const status = statSync(file);
        return `${status.ino}:${status.mtimeMs}:${status.size}`;
      })
      .join("|");
  } catch {
    return undefined;
  }
}

function isGiven(file: string | undefined): file is string {
  return file !== undefined && file !== "";
}

/** What a component's HTTPS server shows: the files it was given, else a self-signed certificate of its own, as upstream's do. */
export async function serverIdentity(
  options: { readonly tlsCertFile: string; readonly tlsPrivateKeyFile: string },
  nowMs: number,
): Promise<{ cert: string; key: string }> {
  if (isGiven(options.tlsCertFile))
    return { cert: readFileSync(options.tlsCertFile, "utf8"), key: readFileSync(options.tlsPrivateKeyFile, "utf8") };
  const { createAuthority } = await import("./pki.js");
  return createAuthority({ commonName: "localhost", validDays: 365, nowMs });
}
