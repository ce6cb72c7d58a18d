/**
 * Writes values of unions: chooses the branch.
 *
 * A value can be read in several ways: as `{ "branch": value }`, the form of Avro's JSON encoding,
 * and as a value of each branch. It is written if one reading fits, and refused if several do. A
 * number that fits several branches of plain numbers is the exception: it means the same in each.
 */
import { type AvroType, shownName } from "../internal/avro/avroSchema.ts"
import { BadValue } from "../internal/codec/badValue.ts"
import { describeValue } from "../internal/codec/describeValue.ts"
import { putInteger } from "./avroBytes.ts"
import type { WriteAvro } from "./avroWriter.ts"

/** A value that several branches fit. The unions around it do not try further branches. */
class AmbiguousValue extends BadValue {}

/** Composes the writer of a union from those of its branches. */
export const unionWriter = (
  branches: ReadonlyArray<AvroType>,
  writers: ReadonlyArray<WriteAvro>
): WriteAvro => {
  const names = branches.map((branch) => ("name" in branch ? branch.name : branch.type))
  const oneOf = `one of ${names.map(shownName).join(", ")}`
  const places = new Map(names.map((name, index) => [name, index]))
  const absent = places.get("null")
  places.delete("null")
  const others = [...places.values()]
  return (value, sink) => {
    if (value === null || value === undefined) {
      return absent === undefined
        ? new BadValue(oneOf, describeValue(value))
        : void putInteger(sink, absent)
    }
    const key = onlyKey(value)
    const named = key === undefined ? undefined : places.get(key)
    if (others.length === 1 && named === undefined) {
      putInteger(sink, others[0]!)
      return writers[others[0]!]!(value, sink)
    }
    // Relative to the record, because the sink may move its content.
    const start = sink.position - sink.mark
    let end = start
    const found: Array<{ readonly index: number; readonly shown: string }> = []
    /** Writes a reading; the second one and later ones only to see whether they fit. */
    const tryBranch = (index: number, content: unknown, shown: string): BadValue | undefined => {
      sink.position = sink.mark + end
      putInteger(sink, index)
      const bad = writers[index]!(content, sink)
      if (bad !== undefined) return bad
      if (found.length === 0) end = sink.position - sink.mark
      found.push({ index, shown })
      return undefined
    }
    let bad: BadValue | undefined
    if (named !== undefined) {
      const content = (value as { readonly [key: string]: unknown })[key!]
      bad = tryBranch(named, content, `{ "${shownName(key)}": value }`)?.at(shownName(key))
      if (bad instanceof AmbiguousValue) return bad
    }
    for (const index of others) {
      const unfit = tryBranch(index, value, shownName(names[index]))
      if (unfit instanceof AmbiguousValue && found.length === 0) return unfit
      if (named === undefined && others.length === 1) bad = unfit
    }
    if (found.length === 0) return bad ?? new BadValue(oneOf, describeValue(value))
    if (found.length > 1) {
      if (!found.every(({ index }) => isPlainNumber(branches[index]!))) {
        const fitting = found.map(({ shown }) => shown).join(" and ")
        const seen = `${describeValue(value)} that fits ${fitting}`
        const wanted = shownName(names[found.at(-1)!.index])
        return new AmbiguousValue(`the name of its branch, such as { "${wanted}": value }`, seen)
      }
      const exact = found.find(({ index }) => keeps(branches[index]!.type, value)) ?? found[0]!
      sink.position = sink.mark + start
      putInteger(sink, exact.index)
      return writers[exact.index]!(value, sink)
    }
    sink.position = sink.mark + end
    return undefined
  }
}

/** The only key of an object; `undefined` for other values. */
const onlyKey = (value: unknown): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  let only: string | undefined
  for (const key in value) {
    if (only !== undefined) return undefined
    only = key
  }
  return only !== undefined && describeValue(value) === "an object" ? only : undefined
}

const isPlainNumber = (type: AvroType): boolean =>
  type.type === "float" ||
  type.type === "double" ||
  ((type.type === "int" || type.type === "long") && type.time === undefined)

/** Whether the type holds a number that fits it unchanged. */
const keeps = (type: AvroType["type"], value: unknown): boolean =>
  typeof value !== "number" ||
  (type === "float"
    ? Object.is(Math.fround(value), value)
    : type === "double" || !Object.is(value, -0))
