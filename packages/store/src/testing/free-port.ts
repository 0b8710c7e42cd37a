// Ports for servers that a test starts, and may start again.
//
// P1. Nobody gets a port twice, in this process or in another that runs beside it, also while nothing listens there: each process has
//     blocks of its own, held by listening on the first port of each for as long as it lives.
// P2. All are below the range that the system takes for outgoing connections.
import { once } from "node:events";
import { createServer, type Server } from "node:net";

const firstPort = 21_000;
const blockPorts = 100;
const blocks = 100;
/** A block is looked for so often before the search is given up. */
const triesMax = 10 * blocks;

let next = 0;
let end = 0;

/** A port on which nothing listens now. */
export async function freePort(): Promise<number> {
  for (;;) {
    if (next >= end) {
      next = (await claimBlock()) + 1;
      end = next + blockPorts - 1;
    }
    const port = next;
    next += 1;
    const server = await listen(port);
    if (server === undefined) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** The first port of a block that is now this process's. */
async function claimBlock(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = firstPort + blockPorts * Math.floor(Math.random() * blocks);
    const held = await listen(port);
    if (held === undefined) continue;
    held.unref();
    return port;
  }
  throw new Error(`all ${blocks} blocks of ports from ${firstPort} on are taken`);
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  return isListening ? server : undefined;
}
