import type { ActionHandler } from "./machine.js";

/** By `<group>/<resource>/<subresource>`. */
export const actionHandlers: ReadonlyMap<string, ActionHandler> = new Map();
