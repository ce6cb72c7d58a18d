/**
 * Writes the Flight frame of a batch into the batch's own IPC message, so that the message is sent
 * in place and its body is not copied. `batchMessage.ts` leaves free bytes for it, which readers of
 * the IPC format skip:
 *
 *   IPC:    prefix | root | free      | root | tables | free                         | body
 *   Flight:               tag, length | header        | {"offset_id": n}, tag, length | body
 *
 * A frame can be written again, with its number on another connection.
 */
import { varintSize, writeVarint } from "../protobuf/writer.ts"
import { BODY_KEY, HEADER_KEY, METADATA_KEY, offsetText } from "./flightData.ts"
import { type IpcMessage, PREFIX } from "./ipcStream.ts"

/** Start of the frame's header in the message's metadata: after a root offset and free bytes. */
export const HEADER_AT = 16

/** Bytes of a root offset. */
const ROOT = 4

/** The most bytes before the header: its tag and a length of 28 bits. */
const LARGEST_START = 5

/** Free bytes before each frame. */
export const FRAME_ROOM = HEADER_AT - ROOT - LARGEST_START

/**
 * Free bytes before the body: metadata with a number of 16 digits takes 32 bytes; tag and length of
 * a body of up to 32 GiB take 7. A multiple of 8.
 */
export const ROOM_BEFORE_BODY = 40

/** Writes the n-th frame of a connection into a batch message, and returns the frame. */
export const stampFrame = (
  buffer: Buffer,
  { body, end, start }: Pick<IpcMessage, "start" | "body" | "end">,
  frame: number
): Uint8Array => {
  let at = body
  // A field without bytes is left out.
  if (end > body) {
    at -= varintSize(end - body)
    writeVarint(buffer, end - body, at)
    at -= varintSize(BODY_KEY)
    writeVarint(buffer, BODY_KEY, at)
  }
  const metadata = offsetText(frame)
  at -= metadata.length
  buffer.write(metadata, at, "latin1")
  buffer[--at] = metadata.length
  buffer[--at] = METADATA_KEY
  const header = start + PREFIX + HEADER_AT
  const length = at - header
  at = header - varintSize(length)
  writeVarint(buffer, length, at)
  buffer[--at] = HEADER_KEY
  return buffer.subarray(at, end)
}
