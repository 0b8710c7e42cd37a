import { ConnectionError, errorCode, setting, uint16, uint32, windowMax } from "./frames.js";
import { headerListBytesMax, streamWindowBytes } from "./limits.js";
import type { Sender, SendSide } from "./sender.js";

/** Ours. */
export const ownSettings = (concurrentStreamsMax: number): readonly (readonly [id: number, value: number])[] => [
  [setting.maxConcurrentStreams, concurrentStreamsMax],
  [setting.initialWindowSize, streamWindowBytes],
  [setting.maxHeaderListSize, headerListBytesMax],
];

const frameBytesMin = 16_384;
const frameBytesMax = 2 ** 24 - 1;

/**
 * Applies the client's settings (RFC 9113, section 6.5.2). Throws {@link ConnectionError}.
 * Of several values for the window the last counts, and only that is given to all streams: a frame can hold thousands.
 */
export function applySettings(bytes: Buffer, start: number, end: number, sender: Sender, sides: Iterable<SendSide>): void {
  let initialWindow: number | undefined;
  for (let at = start; at < end; at += 6) {
    const value = uint32(bytes, at + 2);
    switch (uint16(bytes, at)) {
      case setting.headerTableSize:
        sender.onHeaderTableSize(value);
        break;
      case setting.enablePush:
        if (value > 1) throw new ConnectionError(errorCode.protocolError, "SETTINGS_ENABLE_PUSH is neither 0 nor 1");
        break;
      case setting.initialWindowSize:
        if (value > windowMax) throw new ConnectionError(errorCode.flowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1");
        initialWindow = value;
        break;
      case setting.maxFrameSize:
        if (value < frameBytesMin || value > frameBytesMax)
          throw new ConnectionError(errorCode.protocolError, "SETTINGS_MAX_FRAME_SIZE is out of range");
        sender.onFrameBytesMax(value);
        break;
      default:
      // What the client would take of pushes and header lists is nothing to us, and unknown settings are ignored.
    }
  }
  if (initialWindow !== undefined) sender.onInitialWindow(initialWindow, sides);
}
