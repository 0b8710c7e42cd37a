// Listening sockets that serve HTTP/2 and HTTP/1.1 at one address, plain or with TLS.
//
// Owns:  the listening sockets, connections until they are handed over, the HTTP/1.1 server.
// Not:   HTTP/2 itself (a driver's), certificates' files (the owner hands in fresh material when they are renewed).
// N1. With TLS, the protocol is what ALPN settled; without, what the first bytes say. Nothing read is lost to whoever takes over.
//     HTTP/2 carries gRPC alone here, and gRPC's clients offer nothing else: one that offers both (curl, browsers, Go's net/http) wants pages.
// N2. close() ends the listening sockets and every connection that came in through them.
// Source: etcd's cmux in server/embed/serve.go.
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from "node:http";
import { createServer as createNetServer, type Server, type Socket } from "node:net";
import {
  createServer as createTLSServer,
  type DetailedPeerCertificate,
  type SecureContextOptions,
  type SecureVersion,
  type Server as TLSServer,
  type TLSSocket,
} from "node:tls";
import type { RpcDriver, RpcPeer } from "./port.js";

const http2Preface = Buffer.from("PRI * HTTP/2.0");
/** A connection that has not said which protocol it speaks by then is ended. */
const firstBytesTimeoutMs = 20_000;
/** HTTP/1.1 between two requests. Longer than who scrapes metrics waits, so that a request seldom meets the end of its connection. */
export const idlePageTimeoutMs = 5 * 60_000;

/** PEM texts. */
export interface ListenerTLS {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates. */
  readonly ca?: string;
  readonly requireClientCert: boolean;
}

/** What is settled when listening begins. */
export interface ListenerTLSLimits {
  /** OpenSSL's names. Default: the runtime's choice. */
  readonly ciphers?: string;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  /** Asked of each connection after its handshake: why it is refused, or undefined. The certificate is an empty object when none was shown. */
  readonly refusalOf?: (certificate: DetailedPeerCertificate) => string | undefined;
  readonly onRefused?: (address: string, reason: string) => void;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: ListenerTLS;
  readonly tlsLimits?: ListenerTLSLimits;
  readonly rpc: RpcDriver;
  /** What is asked over HTTP/1.1; without, such connections are ended. */
  readonly onHttp1?: RequestListener;
}

export class Listener {
  readonly #server: Server;
  readonly #http1: HttpServer | undefined;
  readonly #sockets = new Set<Socket>();
  #closing: Promise<void> | undefined;

  private constructor(readonly options: ListenerOptions) {
    const { tls } = options;
    this.#http1 = options.onHttp1 === undefined ? undefined : createHttpServer({ keepAliveTimeout: idlePageTimeoutMs }, options.onHttp1);
    if (tls === undefined) {
      this.#server = createNetServer({ noDelay: true }, (socket) => this.#onPlain(socket));
    } else {
      const server = createTLSServer({
        ...this.#contextOf(tls),
        ALPNCallback: ({ protocols }) => this.#protocolFor(protocols),
        requestCert: tls.requireClientCert,
        rejectUnauthorized: tls.requireClientCert,
      });
      server.on("connection", (socket: Socket) => socket.setNoDelay(true));
      server.on("secureConnection", (socket) => this.#onSecure(socket));
      // A client that gives up during the handshake is no event of ours.
      server.on("tlsClientError", () => {});
      this.#server = server;
    }
  }

  /** Rejects with the address and the system's word for what is wrong. */
  static async listen(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    await new Promise<void>((resolve, reject) => {
      const server = listener.#server;
      server.once("error", (error) => reject(new Error(`listen tcp ${options.host}:${options.port}: ${error.message}`, { cause: error })));
      server.listen(options.port, options.host, () => resolve());
    });
    return listener;
  }

  /** The port that is listened at. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.options.port;
  }

  /** New connections are shown these from now on. */
  renewTLS(tls: ListenerTLS): void {
    (this.#server as TLSServer).setSecureContext(this.#contextOf(tls));
  }

  /** Takes no new connections; open ones go on. */
  stopAccepting(): void {
    this.#server.close();
  }

  close(): Promise<void> {
    return (this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#http1?.closeAllConnections();
      for (const socket of this.#sockets) socket.destroy();
    }));
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // Whoever takes the socket over has handlers of its own; a reset before that must not end the process.
    socket.on("error", () => socket.destroy());
  }

  #onPlain(socket: Socket): void {
    this.#own(socket);
    socket.setTimeout(firstBytesTimeoutMs, () => socket.destroy());
    const look = (): void => {
      const head = socket.read() as Buffer | null;
      if (head === null) return;
      const length = Math.min(head.length, http2Preface.length);
      const isHttp2 = head.subarray(0, length).equals(http2Preface.subarray(0, length));
      socket.unshift(head);
      if (isHttp2 && length < http2Preface.length) return;
      socket.off("readable", look);
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      this.#handOver(socket, isHttp2, undefined);
    };
    socket.on("readable", look);
  }

  /** Undefined ends the handshake: there is nothing that both speak. */
  #protocolFor(offered: readonly string[]): string | undefined {
    const ours = this.#http1 === undefined ? ["h2"] : ["http/1.1", "h2"];
    return ours.find((protocol) => offered.includes(protocol));
  }

  #contextOf({ cert, key, ca }: ListenerTLS): SecureContextOptions {
    const { ciphers, minVersion, maxVersion } = this.options.tlsLimits ?? {};
    return {
      ...{ cert, key },
      ...(ca === undefined ? {} : { ca }),
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(maxVersion === undefined ? {} : { maxVersion }),
    };
  }

  #onSecure(socket: TLSSocket): void {
    this.#own(socket);
    const { refusalOf, onRefused } = this.options.tlsLimits ?? {};
    const reason = refusalOf?.(socket.getPeerCertificate(true));
    if (reason !== undefined) {
      onRefused?.(peerOf(socket, undefined).address, reason);
      socket.destroy();
      return;
    }
    const commonName = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
    this.#handOver(socket, socket.alpnProtocol === "h2", Array.isArray(commonName) ? commonName[0] : commonName);
  }

  #handOver(socket: Socket, isHttp2: boolean, commonName: string | undefined): void {
    if (isHttp2) this.options.rpc.accept(socket, peerOf(socket, commonName));
    else if (this.#http1 !== undefined) this.#http1.emit("connection", socket);
    else socket.destroy();
  }
}

function peerOf(socket: Socket, commonName: string | undefined): RpcPeer {
  const host = socket.remoteAddress ?? "";
  return { address: `${host.includes(":") ? `[${host}]` : host}:${socket.remotePort ?? 0}`, commonName };
}
