// DNS over UDP and TCP: packets in, packets out. What to answer is the caller's.
//
// D1. A UDP answer that does not fit what the client takes is sent without records and marked as cut; the client asks again over TCP.
// D2. A packet that cannot be read is dropped (UDP) or ends its connection (TCP); it never reaches the answering function.
import { createSocket, type Socket as UDPSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import packet, { type DecodedPacket, type Packet } from "dns-packet";

export interface Reply {
  readonly rcode: "NOERROR" | "NXDOMAIN" | "REFUSED" | "SERVFAIL" | "NOTIMP" | "FORMERR";
  readonly answers?: readonly unknown[];
  readonly authorities?: readonly unknown[];
  readonly additionals?: readonly unknown[];
}

export type Answerer = (question: { readonly name: string; readonly type: string }) => Reply;

export interface DNSServerOptions {
  readonly address: string;
  readonly port: number;
  readonly answer: Answerer;
}

const rcodes: Readonly<Record<Reply["rcode"], number>> = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };
/** RFC 1035 §2.3.4: what a client takes that says nothing else. */
const plainUDPBytes = 512;
/** What we offer and at most send over UDP (fits one Ethernet frame). */
const udpBytesMax = 1_232;
const tcpIdleMs = 10_000;
const tcpConnectionsMax = 256;

export class DNSServer {
  private constructor(
    readonly udp: UDPSocket,
    readonly tcp: Server,
    readonly sockets: Set<Socket>,
  ) {}

  /** Listens on both transports. Rejects with the listen error. */
  static async start(options: DNSServerOptions): Promise<DNSServer> {
    const udp = createSocket("udp4");
    const sockets = new Set<Socket>();
    const tcp = createServer((socket) => serveConnection(socket, sockets, options.answer));
    tcp.maxConnections = tcpConnectionsMax;
    udp.on("message", (message, peer) => {
      const reply = respond(message, options.answer, "udp");
      // A peer that is gone is no concern of ours.
      if (reply !== undefined) udp.send(reply, peer.port, peer.address, () => {});
    });
    await Promise.all([
      new Promise<void>((resolve, reject) => {
        udp.once("error", reject);
        udp.bind(options.port, options.address, resolve);
      }),
      new Promise<void>((resolve, reject) => {
        tcp.once("error", reject);
        tcp.listen(options.port, options.address, resolve);
      }),
    ]);
    udp.on("error", () => {});
    return new DNSServer(udp, tcp, sockets);
  }

  async close(): Promise<void> {
    const closed = Promise.all([
      new Promise<void>((resolve) => this.udp.close(() => resolve())),
      new Promise<void>((resolve) => this.tcp.close(() => resolve())),
    ]);
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

/** RFC 1035 §4.2.2: each message behind its length in two bytes. */
function serveConnection(socket: Socket, sockets: Set<Socket>, answer: Answerer): void {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  socket.on("error", () => socket.destroy());
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  let buffered = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
      const end = 2 + buffered.readUInt16BE(0);
      const reply = respond(buffered.subarray(2, end), answer, "tcp");
      buffered = buffered.subarray(end);
      if (reply === undefined) {
        socket.destroy();
        return;
      }
      const head = Buffer.alloc(2);
      head.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([head, reply]));
    }
  });
}

function respond(message: Buffer, answer: Answerer, transport: "udp" | "tcp"): Buffer | undefined {
  let query: DecodedPacket;
  try {
    query = packet.decode(message);
  } catch {
    return undefined;
  }
  if (query.type !== "query") return undefined;
  const [question] = query.questions ?? [];
  const opt = (query.additionals ?? []).find((record) => record.type === "OPT") as { udpPayloadSize?: number } | undefined;
  const { opcode } = query as { opcode?: string };
  const isQuery = opcode === undefined || opcode === "QUERY";
  const reply: Reply =
    question === undefined || (query.questions ?? []).length !== 1
      ? { rcode: "FORMERR" }
      : isQuery
        ? answer({ name: question.name, type: question.type })
        : { rcode: "NOTIMP" };
  const encode = (body: Reply, cut: boolean): Buffer =>
    packet.encode({
      type: "response",
      id: query.id ?? 0,
      flags:
        (body.rcode === "REFUSED" ? 0 : packet.AUTHORITATIVE_ANSWER) |
        ((query.flags ?? 0) & packet.RECURSION_DESIRED) |
        (cut ? packet.TRUNCATED_RESPONSE : 0) |
        rcodes[body.rcode],
      questions: query.questions ?? [],
      answers: (body.answers ?? []) as NonNullable<Packet["answers"]>,
      authorities: (body.authorities ?? []) as NonNullable<Packet["authorities"]>,
      additionals: [
        ...((body.additionals ?? []) as NonNullable<Packet["additionals"]>),
        ...(opt === undefined
          ? []
          : [
              {
                type: "OPT" as const,
                name: ".",
                udpPayloadSize: udpBytesMax,
                extendedRcode: 0,
                ednsVersion: 0,
                flags: 0,
                flag_do: false,
                options: [],
              },
            ]),
      ],
    });
  const whole = encode(reply, false);
  if (transport === "tcp") return whole;
  const limit = Math.min(Math.max(opt?.udpPayloadSize ?? plainUDPBytes, plainUDPBytes), udpBytesMax);
  if (whole.length <= limit) return whole;
  // Without the additional records first: they are a courtesy.
  const lean = encode({ ...reply, additionals: [] }, false);
  return lean.length <= limit ? lean : encode({ rcode: reply.rcode }, true);
}
