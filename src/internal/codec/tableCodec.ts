/**
 * The record codec of a typed table, in protobuf or JSON, from its node tree. Connects the composed
 * encoders and decoders to the engine's byte sink and turns refusals into `InvalidArgument`.
 */
import * as Result from "effect/Result"
import type { InvalidArgument } from "../../ZerobusError.ts"
import { InvalidArgument as InvalidArgumentError } from "../../ZerobusError.ts"
import { BadValue } from "./badValue.ts"
import type { ColumnNode } from "./columnNode.ts"
import { Refusal } from "../columns/columnRules.ts"
import { fromJson, toJson } from "./jsonColumns.ts"
import { recordReader } from "./protoDecode.ts"
import { recordWriter } from "./protoEncode.ts"
import type { RecordCodec } from "../recordCodec.ts"
import { WireReader } from "../protobuf/reader.ts"

/** A codec whose decoder returns a `Result`, for bytes from other sources. */
export interface TableCodec<in out A> extends RecordCodec<A> {
  readonly decode: (payload: Uint8Array) => Result.Result<A, InvalidArgument>
}

const decoding = <A>(
  tableName: string,
  read: (payload: Uint8Array) => unknown
): Pick<TableCodec<A>, "decode" | "read"> => {
  const decode = (payload: Uint8Array): Result.Result<A, InvalidArgument> => {
    try {
      return Result.succeed(read(payload) as A)
    } catch (error) {
      if (error instanceof Refusal) {
        return Result.fail(
          new InvalidArgumentError({
            message: `The bytes are not a record of ${tableName}: ${error.message}`,
            path: []
          })
        )
      }
      throw error
    }
  }
  return { decode, read: (payload) => Result.getOrThrow(decode(payload)) }
}

/** The protobuf codec of a table. */
export const protoTableCodec = <A>(tableName: string, node: ColumnNode): TableCodec<A> => {
  const write = recordWriter(node)
  const read = recordReader(node)
  return {
    write: (record, sink) => write(record, sink)?.toError(tableName),
    ...decoding(tableName, (payload) => read(new WireReader(payload)))
  }
}

const textDecoder = new TextDecoder("utf-8", { fatal: true })

const parseJson = (payload: Uint8Array): unknown => {
  try {
    return JSON.parse(textDecoder.decode(payload))
  } catch {
    throw new Refusal("they are not JSON text.")
  }
}

/** The JSON codec of a table. */
export const jsonTableCodec = <A>(tableName: string, node: ColumnNode): TableCodec<A> => {
  const encode = toJson(node)
  const decode = fromJson(node)
  return {
    write: (record, sink) => {
      const json = encode(record)
      if (json instanceof BadValue) return json.toError(tableName)
      const text = JSON.stringify(json)
      const room = sink.buffer.length - sink.position
      sink.ensure(text.length * 3 <= room ? text.length * 3 : Buffer.byteLength(text))
      sink.position += sink.buffer.write(text, sink.position)
      return undefined
    },
    ...decoding(tableName, (payload) => decode(parseJson(payload)))
  }
}
