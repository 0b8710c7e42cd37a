/** A wire message of which only what matters is filled in; the driver completes it with the defaults of the protocol. */
export type Draft<T> = T extends bigint | string | number | boolean | Uint8Array | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Draft<Item>[]
    : { readonly [Key in keyof T]?: Draft<T[Key]> | undefined };

// Values of the protocol's enumerations. The generated enums are run-time code of a package with sockets, which cores do not load.
export const namespaceMode = { pod: 0, container: 1, node: 2, target: 3 } as const;
export const seccompProfileType = { runtimeDefault: 0, unconfined: 1, localhost: 2 } as const;
export const protocolNumber: Readonly<Record<string, 0 | 1 | 2>> = { TCP: 0, UDP: 1, SCTP: 2 };
export const mountPropagation = { None: 0, HostToContainer: 1, Bidirectional: 2 } as const;
