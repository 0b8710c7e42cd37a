// gRPC's framing of messages: one byte for "compressed", four for the length.

export const grpcHeaderBytes = 5;

export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(grpcHeaderBytes + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, grpcHeaderBytes);
  return bytes;
}
