import type { corev1 } from "@lenj/proto/k8s";

/** Also folds the write-only stringData into data, whose entries it replaces. */
export function setSecretDefaults(secret: corev1.Secret): void {
  secret.type ||= "Opaque";
  const { stringData } = secret;
  if (stringData === undefined || stringData === null) return;
  if (Object.keys(stringData).length > 0) {
    secret.data ??= {};
    for (const [key, value] of Object.entries(stringData)) secret.data[key] = encodeBase64(value);
  }
  delete secret.stringData;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const encoder = new TextEncoder();

/** Standard base64 of a text's UTF-8 bytes. */
export function encodeBase64(text: string): string {
  const bytes = encoder.encode(text);
  let encoded = "";
  for (let position = 0; position < bytes.length; position += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(position, position + 3);
    const left = bytes.length - position;
    encoded += alphabet.charAt(a >> 2) + alphabet.charAt(((a & 3) << 4) | (b >> 4));
    encoded += left > 1 ? alphabet.charAt(((b & 15) << 2) | (c >> 6)) : "=";
    encoded += left > 2 ? alphabet.charAt(c & 63) : "=";
  }
  return encoded;
}
