// One face of the member: a driver for gRPC and the listeners that feed it.
//
// Owns:  both, and the look at renewed certificate files.
import type { RequestListener } from "node:http";
import type { Clock, Logger } from "@lenj/base";
import { readTLSFiles, watchTLSFiles } from "@lenj/component-base";
import {
  createGrpcJsDriver,
  createLeanDriver,
  Listener,
  type ListenerTLS,
  type ListenerTLSLimits,
  type RpcDriver,
  type RpcDriverOptions,
} from "@lenj/rpc-server";
import type { TLSFiles } from "../config.js";
import { refusalOf } from "./tls/admission.js";
import { cipherList } from "./tls/cipher-suites.js";

/** Requests under way get this long when the face shuts down. */
const drainMs = 2_000;
export const renewalLookMs = 1_000;

export interface FaceOptions
  extends Pick<RpcDriverOptions, "receiveBytesMax" | "toStatus" | "onCall" | "onDone" | "keepAlive" | "concurrentStreamsMax"> {
  readonly urls: readonly string[];
  readonly driver: "lean" | "grpc-js";
  readonly tls: TLSFiles;
  readonly onHttp1?: RequestListener;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Face {
  readonly driver: RpcDriver;
  readonly #listeners: Listener[] = [];
  #stopLooking = (): void => {};

  constructor(readonly options: FaceOptions) {
    this.driver = options.driver === "lean" ? createLeanDriver(options) : createGrpcJsDriver(options);
  }

  /** Rejects with the address that could not be listened at; what was opened stays for close(). */
  async listen(): Promise<void> {
    const { urls, tls, onHttp1, logger } = this.options;
    for (const url of urls) {
      const { protocol, hostname, port } = new URL(url);
      this.#listeners.push(
        await Listener.listen({
          host: hostname.replace(/^\[|\]$/g, ""),
          port: Number(port),
          rpc: this.driver,
          ...(protocol === "https:" ? { tls: materialOf(tls), tlsLimits: this.#limitsOf(tls) } : {}),
          ...(onHttp1 === undefined ? {} : { onHttp1 }),
        }),
      );
    }
    const secure = this.#listeners.filter((listener) => listener.options.tls !== undefined);
    if (secure.length === 0) return;
    this.#stopLooking = watchTLSFiles(
      tls,
      () => {
        for (const listener of secure) listener.renewTLS(materialOf(tls));
        logger.info("Renewed certificates", { certFile: tls.certFile });
      },
      renewalLookMs,
    );
  }

  #limitsOf(files: TLSFiles): ListenerTLSLimits {
    return {
      ...versionsOf(files),
      refusalOf: (certificate) => refusalOf(certificate, files.admission),
      onRefused: (address, reason) => this.options.logger.warn("rejected connection", { address, reason }),
    };
  }

  /** Requests under way get a moment; then the sockets go. */
  async shutDown(): Promise<void> {
    for (const listener of this.#listeners) listener.stopAccepting();
    await new Promise<void>((resolve) => {
      const timer = this.options.clock.after(drainMs, resolve);
      this.driver.drain().then(
        () => {
          timer.cancel();
          resolve();
        },
        () => {},
      );
    });
    await this.close();
  }

  async close(): Promise<void> {
    this.#stopLooking();
    await this.driver.close();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

/** Which versions and ciphers of TLS are spoken. */
export function versionsOf({
  cipherSuites,
  minVersion,
  maxVersion,
}: TLSFiles): Pick<ListenerTLSLimits, "ciphers" | "minVersion" | "maxVersion"> {
  const ciphers = cipherList(cipherSuites);
  return {
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
}

export function materialOf(files: TLSFiles): ListenerTLS {
  const { cert = "", key = "", ca } = readTLSFiles(files);
  return { cert, key, requireClientCert: files.requireClientCert, ...(ca === undefined ? {} : { ca }) };
}
