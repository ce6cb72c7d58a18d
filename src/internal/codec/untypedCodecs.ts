/**
 * The codecs of records without columns: prepared protobuf bytes, JSON text and JSON objects.
 */
import { InvalidArgument } from "../../ZerobusError.ts"
import { isBytes } from "../protobuf/bytes.ts"
import { describeValue } from "./describeValue.ts"
import { type JsonLoss, lossInText, lossOfRecord } from "./jsonLoss.ts"
import { shownKey } from "./protoEncode.ts"
import type { ByteSink, RecordCodec } from "../recordCodec.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

const refuse = (message: string): InvalidArgument => new InvalidArgument({ message, path: [] })

/**
 * Prepared protobuf bytes, copied into the sink. Zero bytes are legal: a message with no field set.
 */
export const bytesCodec: RecordCodec<Uint8Array> = {
  write: (record, sink) => {
    if (!isBytes(record)) {
      return refuse(
        `This table takes protobuf records as bytes (Uint8Array), but the record is ` +
          `${describeValue(record)}.`
      )
    }
    sink.ensure(record.length)
    sink.buffer.set(record, sink.position)
    sink.position += record.length
    return undefined
  },
  read: (payload) => payload
}

const writeText = (text: string, sink: ByteSink): void => {
  // One UTF-16 unit takes at most three bytes. The exact size is computed only when that estimate
  // does not fit.
  const room = sink.buffer.length - sink.position
  sink.ensure(text.length * 3 <= room ? text.length * 3 : Buffer.byteLength(text))
  sink.position += sink.buffer.write(text, sink.position)
}

const refuseLoss = ({ advice, path, what }: JsonLoss): InvalidArgument => {
  if (path.length === 0)
    return refuse(`This table takes JSON objects, but the record is ${what}. ${advice}`)
  const shown = path.map((key) => (typeof key === "number" ? key : shownKey(key)))
  return new InvalidArgument({
    message:
      `The record's field ${shown.join(".")} is ${what}, whose content JSON drops. ` + `${advice}`,
    path: shown
  })
}

/** JSON objects, serialized once. */
export const jsonCodec: RecordCodec<unknown> = {
  write: (record, sink) => {
    if (
      typeof record !== "object" ||
      record === null ||
      Array.isArray(record) ||
      ArrayBuffer.isView(record)
    ) {
      return refuse(`This table takes JSON objects, but the record is ${describeValue(record)}.`)
    }
    const lost = lossOfRecord(record)
    if (lost !== undefined) return refuseLoss(lost)
    let text: string | undefined
    let lostWithin: JsonLoss | undefined
    try {
      text = JSON.stringify(record)
      lostWithin = text === undefined ? undefined : lossInText(text, record)
    } catch {
      return refuse(
        "The record cannot be written as JSON: it holds a bigint, a cycle, or a toJSON that " +
          "throws. Convert it first."
      )
    }
    if (text === undefined || text.charCodeAt(0) !== 0x7b)
      return refuse("The record's toJSON does not give a JSON object.")
    if (lostWithin !== undefined) return refuseLoss(lostWithin)
    writeText(text, sink)
    return undefined
  },
  read: (payload) => JSON.parse(decoder.decode(payload))
}

const firstCharacter = /\S/

/** JSON objects, or the text of one, which is sent unchanged. Read back as text. */
export const jsonTextCodec: RecordCodec<unknown> = {
  write: (record, sink) => {
    if (typeof record !== "string") return jsonCodec.write(record, sink)
    if (record.charCodeAt(0) !== 0x7b && firstCharacter.exec(record)?.[0] !== "{") {
      return refuse("The record's text is not a JSON object: it must start with '{'.")
    }
    if (!record.isWellFormed()) {
      return refuse(
        "The record's text has a lone surrogate, which UTF-8 cannot carry. Call toWellFormed() " +
          "on it first."
      )
    }
    writeText(record, sink)
    return undefined
  },
  read: (payload) => decoder.decode(payload)
}
