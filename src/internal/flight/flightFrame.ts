/**
 * Stamps the Flight frame of a batch into the IPC message of the batch, so that the message is sent
 * from where it lies and its body is not copied. `batchMessage.ts` leaves bytes free for it, which
 * readers of the IPC format skip:
 *
 *   IPC:    prefix | root | free      | root | tables | free                         | body
 *   Flight:               tag, length | header        | {"offset_id": n}, tag, length | body
 *
 * A frame can be stamped again, with the number it has on another connection.
 */
import { varintSize, writeVarint } from "../protobuf/writer.ts"
import { BODY_KEY, HEADER_KEY, METADATA_KEY, offsetText } from "./flightData.ts"
import { type IpcMessage, PREFIX } from "./ipcStream.ts"

/** Where the header of the frame begins in the metadata of the message: behind a root and room. */
export const HEADER_AT = 16

/** Bytes of a root offset. */
const ROOT = 4

/** Largest bytes in front of the header: its tag and a length of 28 bits. */
const LARGEST_START = 5

/** Bytes that are free in front of each stamped frame. */
export const FRAME_ROOM = HEADER_AT - ROOT - LARGEST_START

/**
 * Bytes that are free in front of the body: metadata with a number of 16 digits takes 32, tag and
 * length of the body take 7 up to 32 GiB. A multiple of 8.
 */
export const ROOM_BEFORE_BODY = 40

/** Stamps the n-th frame of a connection into a batch message, and returns the frame. */
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
