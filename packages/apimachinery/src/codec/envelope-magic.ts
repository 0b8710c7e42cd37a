/** Four bytes that open every Kubernetes protobuf body: "k8s" and a zero. */
export const envelopeMagic: Buffer = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

export function isEnvelope(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0;
}
