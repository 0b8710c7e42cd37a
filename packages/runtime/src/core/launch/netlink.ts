// Messages of the kernel's routing netlink protocol, and the program steps that send them.
//
// Source: rtnetlink(7); struct layouts are those of linux/rtnetlink.h and linux/if_link.h.
import { AF_INET, AF_NETLINK, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_RAW } from "./kernel-constants.js";
import { offsetPointer, type Program, type Variable } from "./program.js";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_REPLACE = 0x100;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const IFF_UP = 1;

export type IPv4 = readonly [number, number, number, number];
export type RouteScope = "universe" | "link" | "host";
const scopeNumbers: Readonly<Record<RouteScope, number>> = { universe: 0, link: 253, host: 254 };

export interface VethLink {
  readonly hostName: string;
  readonly hostIndex: number;
  readonly podName: string;
  readonly podIndex: number;
  /** Descriptor of the network namespace that gets the pod's end. */
  readonly namespaceDescriptor: number;
  readonly mtuBytes: number;
  readonly podHardwareAddress: readonly number[];
}

export function encodeNewVeth(link: VethLink): Uint8Array {
  const mtu = attribute(IFLA_MTU, uint32(link.mtuBytes));
  const peer = concat([
    interfaceHeader(link.podIndex, 0),
    attribute(IFLA_IFNAME, textZ(link.podName)),
    attribute(IFLA_ADDRESS, Uint8Array.from(link.podHardwareAddress)),
    attribute(IFLA_NET_NS_FD, uint32(link.namespaceDescriptor)),
    mtu,
  ]);
  const info = attribute(
    IFLA_LINKINFO,
    concat([attribute(IFLA_INFO_KIND, textZ("veth")), attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer))]),
  );
  return message(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    concat([interfaceHeader(link.hostIndex, 0), attribute(IFLA_IFNAME, textZ(link.hostName)), mtu, info]),
  );
}

export function encodeLinkUp(index: number): Uint8Array {
  return message(RTM_NEWLINK, 0, interfaceHeader(index, IFF_UP));
}

export function encodeDeleteLink(name: string): Uint8Array {
  return message(RTM_DELLINK, 0, concat([interfaceHeader(0, 0), attribute(IFLA_IFNAME, textZ(name))]));
}

export function encodeNewAddress(index: number, address: IPv4, prefixBits: number): Uint8Array {
  const header = Uint8Array.of(AF_INET, prefixBits, 0, 0, ...uint32(index));
  return message(
    RTM_NEWADDR,
    NLM_F_CREATE | NLM_F_REPLACE,
    concat([header, attribute(IFA_LOCAL, Uint8Array.from(address)), attribute(IFA_ADDRESS, Uint8Array.from(address))]),
  );
}

export interface Route {
  /** Undefined: the default route. */
  readonly destination: { readonly address: IPv4; readonly prefixBits: number } | undefined;
  readonly interfaceIndex: number;
  readonly gateway?: IPv4;
  readonly source?: IPv4;
  readonly scope: RouteScope;
}

export function encodeNewRoute(route: Route): Uint8Array {
  const header = Uint8Array.of(
    AF_INET,
    route.destination?.prefixBits ?? 0,
    0,
    0,
    RT_TABLE_MAIN,
    RTPROT_BOOT,
    scopeNumbers[route.scope],
    1,
    0,
    0,
    0,
    0,
  );
  return message(
    RTM_NEWROUTE,
    NLM_F_CREATE | NLM_F_REPLACE,
    concat([
      header,
      ...(route.destination === undefined ? [] : [attribute(RTA_DST, Uint8Array.from(route.destination.address))]),
      attribute(RTA_OIF, uint32(route.interfaceIndex)),
      ...(route.gateway === undefined ? [] : [attribute(RTA_GATEWAY, Uint8Array.from(route.gateway))]),
      ...(route.source === undefined ? [] : [attribute(RTA_PREFSRC, Uint8Array.from(route.source))]),
    ]),
  );
}

/** Opens a routing socket in the caller's current network namespace; it stays in that one. */
export function emitNetlinkSocket(program: Program): Variable {
  const socket = program.variable();
  program.call("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], { into: socket, note: "netlink" });
  return socket;
}

/** Sends one message and fails like a system call when the kernel refuses it. */
export function emitNetlink(program: Program, socket: Variable, request: Uint8Array, note: string): void {
  const answer = program.buffer(512);
  program.call("sendto", [socket, program.bytes(request), request.length, 0, 0, 0], { note });
  program.call("recvfrom", [socket, answer, 512, 0, 0, 0], { note });
  // struct nlmsghdr (16 bytes), then struct nlmsgerr, which starts with the negative error number.
  program.check32(offsetPointer(answer, 16), note);
}

function interfaceHeader(index: number, flags: number): Uint8Array {
  return concat([Uint8Array.of(0, 0, 0, 0), uint32(index), uint32(flags), uint32(flags)]);
}

function message(type: number, flags: number, body: Uint8Array): Uint8Array {
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  view.setUint32(0, 16 + body.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags | NLM_F_REQUEST | NLM_F_ACK, true);
  view.setUint32(8, 1, true);
  return concat([header, body]);
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((4 + value.length) / 4) * 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function textZ(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}
