// What one connection may cost, and what happens to a client that asks for more.

/** Largest frame taken: HTTP/2's initial value, which we leave. A larger one ends the connection (FRAME_SIZE_ERROR). */
export const receiveFrameBytesMax = 16_384;

/** Room that a client has for one stream's request messages; topped up by halves. More ends the stream (FLOW_CONTROL_ERROR). */
export const streamWindowBytes = 256 * 1_024;

/** Room that a client has for all request messages of a connection; topped up by halves as they come. */
export const connectionWindowBytes = 16 * 1_024 * 1_024;

/**
 * Bytes of request messages that have begun to arrive, over all streams of a connection. Above it, only the stream that has waited
 * longest is given more room, so that memory stays bounded and yet every message can be finished.
 */
export const unfinishedBytesMax = 64 * 1_024 * 1_024;

/** Our SETTINGS_HEADER_TABLE_SIZE: HTTP/2's initial value. A block that asks for more ends the connection (COMPRESSION_ERROR). */
export const headerTableBytes = 4_096;

/** Our SETTINGS_MAX_HEADER_LIST_SIZE, as RFC 9113 counts it. A longer list ends its stream (ENHANCE_YOUR_CALM). */
export const headerListBytesMax = 64 * 1_024;

/** Longest header block over all of its frames. A longer one ends the connection (ENHANCE_YOUR_CALM). */
export const headerBlockBytesMax = headerListBytesMax;

/** Most CONTINUATION frames of one header block; more end the connection (ENHANCE_YOUR_CALM). */
export const continuationsMax = 16;

/** Our SETTINGS_MAX_CONCURRENT_STREAMS. Calls beyond it, or while as many handlers still run, are refused (REFUSED_STREAM). */
export const concurrentStreamsMax = 10_000;

/** Header blocks remembered with their meaning, and the longest that is. A full memory is emptied. */
export const headCacheEntriesMax = 64;
export const headCacheBlockBytesMax = 1_024;

/** A call's write() says "enough" from here on. Upstream: grpc-go's write quota of a stream. */
export const streamQueueBytesHigh = 64 * 1_024;

/** Bytes handed to the socket and not yet taken by the system from which on messages wait in their streams. */
export const socketBytesHigh = 256 * 1_024;

/** The same with all waiting messages, from which on nothing more is read from a client that does not read. */
export const unreadBytesMax = 4 * 1_024 * 1_024;

/** Answers that wait for a client's windows, over all streams of a connection, from which on new calls are refused (REFUSED_STREAM). */
export const queuedBytesMax = 64 * 1_024 * 1_024;

/** Our resets of streams that we remember, to overlook frames that were under way. Older ones are answered as closed streams are. */
export const ownResetsRemembered = 1_024;

/**
 * Calls that a client opens and resets (CVE-2023-44487): so many at a stroke, which all that may be open at once may need when their
 * deadlines pass together, and so many a second; each call that comes to its end gives one back. More end the connection
 * (ENHANCE_YOUR_CALM). A handler counts as running until it returns, whatever became of its stream, so resets win no room.
 */
export const resetBurst = concurrentStreamsMax;
export const resetsPerSecond = 500;

/** Frames that make work and carry nothing (SETTINGS, PRIORITY, empty DATA, unknown types …), likewise. */
export const idleFrameBurst = 2_000;
export const idleFramesPerSecond = 200;

/** A connection that has not said HTTP/2's preface and SETTINGS by then is ended. */
export const prefaceTimeoutMs = 20_000;

/** After GOAWAY for an error, how long what the client still sends is read and dropped, so that it gets to see why. */
export const lingerMs = 1_000;

/** How long a client has to answer the PING that goes with the first GOAWAY of a drain. Upstream: grpc-go's minute. */
export const drainPingTimeoutMs = 60_000;
