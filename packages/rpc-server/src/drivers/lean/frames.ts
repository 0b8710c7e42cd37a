// HTTP/2's numbers (RFC 9113, sections 4.1, 6 and 7).

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const frameHeaderBytes = 9;
export const windowMax = 2 ** 31 - 1;
export const initialWindow = 65_535;

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { none: 0, endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
} as const;

/** Ends the connection: GOAWAY with this code and, for people, the message. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export const uint16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

export const uint24 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);

export const uint32 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) * 2 ** 24 + uint24(bytes, at + 1)) >>> 0;

/** The reserved bit is ignored on receipt. */
export const uint31 = (bytes: Uint8Array, at: number): number => (((bytes[at] as number) & 127) << 24) | uint24(bytes, at + 1);
