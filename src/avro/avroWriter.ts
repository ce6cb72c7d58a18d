/**
 * Writes values in Avro's binary form: closures composed once per schema.
 */
import type { AvroRecord, AvroType } from "../internal/avro/avroSchema.ts"
import { BadValue } from "../internal/codec/badValue.ts"
import { describeValue } from "../internal/codec/describeValue.ts"
import { shownKey } from "../internal/codec/protoEncode.ts"
import type { ByteSink } from "../internal/recordCodec.ts"
import { putByte, putInteger, putText } from "./avroBytes.ts"
import { bytesWriter, fixedWriter, floatWriter, integerWriter } from "./avroScalars.ts"
import { unionWriter } from "./unionWriter.ts"

/** Writes one value. Returns why it does not fit; the sink's position is then undefined. */
export type WriteAvro = (value: unknown, sink: ByteSink) => BadValue | undefined

/** Creates the writer for a schema's records. */
export const recordWriter = (schema: AvroRecord): WriteAvro => new Writers().record(schema)

class Writers {
  /** Writers of record types, which may be recursive. */
  private readonly known = new Map<AvroRecord, WriteAvro>()

  of(type: AvroType): WriteAvro {
    switch (type.type) {
      case "null":
        return (value) =>
          value === null || value === undefined
            ? undefined
            : new BadValue("null", describeValue(value))
      case "boolean":
        return (value, sink) => {
          if (typeof value !== "boolean") return new BadValue("boolean", describeValue(value))
          return void putByte(sink, value ? 1 : 0)
        }
      case "int":
      case "long":
        return integerWriter(type.type, type.time)
      case "float":
      case "double":
        return floatWriter(type.type)
      case "bytes":
        return bytesWriter(type.decimal)
      case "fixed":
        return fixedWriter(type)
      case "string":
        return (value, sink) => {
          if (typeof value !== "string") return new BadValue("string", describeValue(value))
          if (!value.isWellFormed()) return new BadValue("string", "a text with a lone surrogate")
          return void putText(sink, value)
        }
      case "enum":
        return enumWriter(type.symbols)
      case "union":
        return unionWriter(
          type.branches,
          type.branches.map((branch) => this.of(branch))
        )
      case "array":
        return this.array(type.items)
      case "map":
        return this.map(type.values)
      case "record":
        return this.record(type)
    }
  }

  private array(items: AvroType): WriteAvro {
    const write = this.of(items)
    return (value, sink) => {
      if (!Array.isArray(value)) return new BadValue("array", describeValue(value))
      if (value.length > 0) putInteger(sink, value.length)
      for (let i = 0; i < value.length; i++) {
        const bad = write(value[i], sink)
        if (bad !== undefined) return bad.at(i)
      }
      return void putByte(sink, 0)
    }
  }

  private map(values: AvroType): WriteAvro {
    const write = this.of(values)
    return (value, sink) => {
      if (!isObject(value)) return new BadValue("map (an object)", describeValue(value))
      const entries = Object.entries(value)
      if (entries.length > 0) putInteger(sink, entries.length)
      for (const [key, item] of entries) {
        if (!key.isWellFormed()) return new BadValue("texts as keys", "a key with a lone surrogate")
        putText(sink, key)
        const bad = write(item, sink)
        if (bad !== undefined) return bad.at(shownKey(key))
      }
      return void putByte(sink, 0)
    }
  }

  record(type: AvroRecord): WriteAvro {
    const known = this.known.get(type)
    if (known !== undefined) return known
    const fields: Array<{ readonly name: string; readonly write: WriteAvro }> = []
    const names = new Set(type.fields.map(({ name }) => name))
    const writer: WriteAvro = (value, sink) => {
      if (!isObject(value)) return new BadValue("record (an object)", describeValue(value))
      for (const key in value) {
        if (names.has(key)) continue
        return new BadValue("only fields of the schema", "a field that is not in it").at(
          shownKey(key)
        )
      }
      for (const { name, write } of fields) {
        const bad = write(value[name], sink)
        if (bad !== undefined) return bad.at(name)
      }
      return undefined
    }
    this.known.set(type, writer)
    for (const { name, type: inner } of type.fields) fields.push({ name, write: this.of(inner) })
    return writer
  }
}

const enumWriter = (symbols: ReadonlyArray<string>): WriteAvro => {
  const places = new Map(symbols.map((symbol, index) => [symbol, index]))
  return (value, sink) => {
    const place = places.get(value as string)
    if (place === undefined) return new BadValue("a symbol of the enum", describeValue(value))
    return void putInteger(sink, place)
  }
}

/** Whether the value may be a record or map. Other objects would lose their content. */
const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && describeValue(value) === "an object"
