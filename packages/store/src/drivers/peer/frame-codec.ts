// Frames of the peer stream (lenj.raft.v1.PeerFrame) as bytes, and back.
//
// F1. What is read back keeps views of the frame's bytes: who keeps an entry keeps the frame.
import { type Hello, PeerFrame, Message as WireMessageCodec } from "@lenj/proto/raft";
import type { Message } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";
import { decodeMessage, encodeMessage } from "./message-codec.js";
import { isPlain, readPlain, sizeOfPlain, writePlain } from "./plain-messages.js";
import { Cursor, sizeOfField, writeField } from "./wire-cursor.js";

/** Field numbers and wire types, as they stand in proto/raft/raft.proto. */
const tag = { batch: 0x12, message: 0x0a } as const;

/** Messages of one turn. */
export function encodeBatch(messages: readonly Message[]): Buffer {
  const others = messages.map((message) => (isPlain(message) ? undefined : WireMessageCodec.encode(encodeMessage(message)).finish()));
  const sizes = messages.map((message, at) => (isPlain(message) ? sizeOfPlain(message) : (others[at]?.length ?? 0)));
  const batchSize = sizes.reduce((sum, size) => sum + sizeOfField(size), 0);
  const bytes = Buffer.allocUnsafe(sizeOfField(batchSize));
  let at = writeField(bytes, 0, tag.batch, batchSize);
  for (const [index, message] of messages.entries()) {
    at = writeField(bytes, at, tag.message, sizes[index] ?? 0);
    if (isPlain(message)) at = writePlain(bytes, at, message);
    else {
      bytes.set(others[index] ?? [], at);
      at += sizes[index] ?? 0;
    }
  }
  return bytes;
}

export function encodeHello(hello: Hello): Buffer {
  return Buffer.from(PeerFrame.encode({ frame: { $case: "hello", value: hello } }).finish());
}

export type ReceivedFrame = { readonly sizeBytes: number } & (
  | { readonly hello: Hello; readonly messages?: never }
  | { readonly messages: readonly Message[]; readonly hello?: never }
);

/** Throws DATA_DAMAGED for what is no frame. */
export function decodeFrame(bytes: Buffer): ReceivedFrame {
  const sizeBytes = bytes.length;
  try {
    if (bytes[0] !== tag.batch) {
      const { frame } = PeerFrame.decode(bytes);
      if (frame?.$case === "hello") return { hello: frame.value, sizeBytes };
      // Something that a newer version says.
      if (frame === undefined) return { messages: [], sizeBytes };
      throw new RangeError("something precedes the batch");
    }
    const cursor = new Cursor(bytes, 1, bytes.length);
    const end = cursor.enter();
    if (end !== bytes.length) throw new RangeError("something follows the batch");
    const messages: Message[] = [];
    while (cursor.at < end) {
      if (bytes[cursor.at++] !== tag.message) throw new RangeError(`unknown field ${bytes[cursor.at - 1]} of a batch`);
      messages.push(readMessage(bytes, cursor));
    }
    return { messages, sizeBytes };
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError("DATA_DAMAGED", `Cannot decode peer frame: ${(error as Error).message}`, { cause: error });
  }
}

function readMessage(bytes: Buffer, cursor: Cursor): Message {
  const end = cursor.enter();
  const start = cursor.at;
  const plain = readPlain(cursor, end);
  if (plain !== undefined) return plain;
  cursor.at = end;
  return decodeMessage(WireMessageCodec.decode(bytes.subarray(start, end)));
}
