/**
 * Parses column types and table definitions from SQL text: `DECIMAL(10,2)`,
 * `ARRAY<STRUCT<a: INT NOT NULL>>`,
 * `main.default.air(id BIGINT NOT NULL COMMENT 'key', note STRING) PARTITIONED BY (id)`.
 *
 * One pass over the text with a depth limit. Failures are sentences with the position. The model
 * checks names, counts and partitions at the end.
 */
import * as Result from "effect/Result"
import {
  decimalProblem,
  isName,
  isTablePart,
  maxDepth,
  nameProblem,
  unsupportedType
} from "./columnNames.ts"
import { definitionProblem, Refusal } from "./columnRules.ts"
import type { ColumnDefinition, ColumnType, TableDefinition } from "./columnType.ts"
import { rescueTag } from "./rescueTag.ts"
import { scalarTag } from "./scalarTypes.ts"

/** Longest text that is read, in characters. */
const maxText = 1_000_000

/** White space and SQL comments, to the end of the line or as a block. */
const space = /(?:\s|--[^\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)+/y

class Reader {
  readonly text: string
  position = 0

  constructor(text: string) {
    if (text.length > maxText) throw new Refusal(`The text is longer than ${maxText} characters.`)
    this.text = text
  }

  refuse(message: string): never {
    throw new Refusal(message)
  }

  /**
   * Refuses the text at a position. In a text of several lines the message begins with the
   * position.
   */
  refuseAt(position: number, message: string): never {
    return this.refuse(this.hasLines() ? `At ${this.place(position)}: ${message}` : message)
  }

  hasLines(): boolean {
    return this.text.trimEnd().includes("\n")
  }

  expected(what: string): never {
    const rest = this.text.slice(this.position, this.position + 20)
    return this.refuse(
      `Expected ${what} at ${this.place(this.position)}, found ` +
        `${rest === "" ? "the end" : JSON.stringify(rest)}.`
    )
  }

  /** A position in words: the character, and the line if the text has several. */
  place(position: number): string {
    if (!this.hasLines()) return `character ${position + 1}`
    const before = this.text.slice(0, position).split("\n")
    return `line ${before.length}, character ${before.at(-1)!.length + 1}`
  }

  /** Skips white space and comments. */
  skip(): void {
    while (this.position < this.text.length) {
      space.lastIndex = this.position
      if (space.test(this.text)) this.position = space.lastIndex
      else if (this.text.startsWith("/*", this.position)) {
        this.refuse(`The comment at ${this.place(this.position)} is not closed.`)
      } else return
    }
  }

  accept(character: string): boolean {
    this.skip()
    if (this.text.charAt(this.position) !== character) return false
    this.position++
    return true
  }

  expect(character: string): void {
    if (!this.accept(character)) this.expected(`"${character}"`)
  }

  /** Returns the next word without consuming it; empty when there is none. */
  peekWord(): string {
    this.skip()
    let end = this.position
    while (end < this.text.length && /[A-Za-z0-9_]/.test(this.text.charAt(end))) end++
    return this.text.slice(this.position, end)
  }

  acceptWords(...words: ReadonlyArray<string>): boolean {
    const start = this.position
    for (const word of words) {
      const next = this.peekWord()
      if (next.toUpperCase() !== word) {
        this.position = start
        return false
      }
      this.position += next.length
    }
    return true
  }

  name(what: string, table = false): string {
    this.skip()
    const start = this.position
    let name: string
    if (this.text.charAt(this.position) === "`") {
      const end = this.text.indexOf("`", this.position + 1)
      if (end < 0)
        return this.refuse(`The back quote at ${this.place(this.position)} is not closed.`)
      name = this.text.slice(this.position + 1, end)
      this.position = end + 1
    } else {
      name = this.peekWord()
      if (name === "") return this.expected(`a ${what}`)
      // For `bad-name` the message should quote the whole name.
      const whole = /^[^\s:,.()<>`'";]+/.exec(this.text.slice(this.position))![0]
      if (whole !== name) return this.refuseAt(start, nameProblem(what, whole) ?? "")
      this.position += name.length
    }
    if (isName(name) || (table && isTablePart(name))) return name
    return this.refuseAt(start, nameProblem(what, name) ?? "")
  }

  integer(): number {
    const word = this.peekWord()
    if (!/^\d{1,6}$/.test(word)) return this.expected("a number")
    this.position += word.length
    return Number(word)
  }

  quoted(): string {
    this.skip()
    const quote = this.text.charAt(this.position)
    if (quote !== "'" && quote !== '"') return this.expected("a quoted text")
    let out = ""
    for (let at = this.position + 1; at < this.text.length; at++) {
      const character = this.text.charAt(at)
      if (character === "\\" && at + 1 < this.text.length) {
        out += this.text.charAt(++at)
      } else if (character !== quote) {
        out += character
      } else if (this.text.charAt(at + 1) === quote) {
        out += quote
        at++
      } else {
        this.position = at + 1
        return out
      }
    }
    return this.refuse(`The quote at ${this.place(this.position)} is not closed.`)
  }

  atEnd(): boolean {
    this.skip()
    return this.position >= this.text.length
  }
}

const readType = (reader: Reader, depth: number): ColumnType => {
  if (depth > maxDepth) return reader.refuse(`The type is nested deeper than ${maxDepth} levels.`)
  const word = reader.peekWord()
  if (word === "") return reader.expected("a type")
  const start = reader.position
  reader.position += word.length
  switch (word.toUpperCase()) {
    case "DECIMAL":
    case "DEC":
    case "NUMERIC":
      return readDecimal(reader, start)
    case "ARRAY": {
      reader.expect("<")
      const element = readType(reader, depth + 1)
      reader.expect(">")
      return { _tag: "Array", element, containsNull: true }
    }
    case "MAP": {
      reader.expect("<")
      const key = readType(reader, depth + 1)
      reader.expect(",")
      const value = readType(reader, depth + 1)
      reader.expect(">")
      return { _tag: "Map", key, value, valueContainsNull: true }
    }
    case "STRUCT": {
      reader.expect("<")
      const fields: Array<ColumnDefinition> = []
      do {
        fields.push(readColumn(reader, "field name", depth + 1))
      } while (reader.accept(","))
      reader.expect(">")
      return { _tag: "Struct", fields }
    }
    default: {
      const tag = scalarTag(word)
      return tag === undefined ? reader.refuseAt(start, unsupportedType(word)) : { _tag: tag }
    }
  }
}

const readDecimal = (reader: Reader, start: number): ColumnType => {
  let precision = 10
  let scale = 0
  if (reader.accept("(")) {
    precision = reader.integer()
    if (reader.accept(",")) scale = reader.integer()
    reader.expect(")")
  }
  const problem = decimalProblem(precision, scale)
  if (problem !== undefined) return reader.refuseAt(start, problem)
  return { _tag: "Decimal", precision, scale }
}

const readColumn = (
  reader: Reader,
  what: string,
  depth: number,
  name = reader.name(what)
): ColumnDefinition => {
  reader.accept(":")
  const type = readType(reader, depth)
  const nullable = !reader.acceptWords("NOT", "NULL")
  const comment = reader.acceptWords("COMMENT") ? reader.quoted() : undefined
  const rescue = reader.acceptWords("TAGS") && readTags(reader)
  return {
    name,
    type,
    nullable,
    ...(comment === undefined ? {} : { comment }),
    ...(rescue ? { rescue } : {})
  }
}

/**
 * Reads the tags of a column, `('key' = 'value', ...)`. Only one key is allowed, and its value is
 * ignored.
 */
const readTags = (reader: Reader): true => {
  readList(reader, () => {
    reader.skip()
    const start = reader.position
    const key = reader.quoted()
    if (reader.accept("=")) reader.quoted()
    if (key !== rescueTag) reader.refuseAt(start, `The only tag supported here is '${rescueTag}'.`)
  })
  return true
}

const readItems = <A>(reader: Reader, item: () => A): ReadonlyArray<A> => {
  const items: Array<A> = []
  do {
    items.push(item())
  } while (reader.accept(","))
  return items
}

const readList = <A>(reader: Reader, item: () => A): ReadonlyArray<A> => {
  reader.expect("(")
  const items = readItems(reader, item)
  reader.expect(")")
  return items
}

const readTable = (reader: Reader): TableDefinition => {
  if (reader.acceptWords("CREATE", "TABLE")) reader.acceptWords("IF", "NOT", "EXISTS")
  const parts = [reader.name("table name", true)]
  while (reader.accept(".")) parts.push(reader.name("table name part", true))
  const columns = readList(reader, () => readColumn(reader, "column name", 0))
  let partitionColumns: ReadonlyArray<string> | undefined
  let comment: string | undefined
  while (!reader.atEnd() && !reader.accept(";")) {
    if (reader.acceptWords("USING", "DELTA")) continue
    if (partitionColumns === undefined && reader.acceptWords("PARTITIONED", "BY")) {
      partitionColumns = readList(reader, () => reader.name("partition column"))
    } else if (comment === undefined && reader.acceptWords("COMMENT")) {
      comment = reader.quoted()
    } else {
      reader.expected("PARTITIONED BY (...), COMMENT '...', a semicolon or the end")
    }
  }
  return {
    name: parts.join("."),
    columns,
    ...(partitionColumns === undefined ? {} : { partitionColumns }),
    ...(comment === undefined ? {} : { comment })
  }
}

const run = <A>(text: string, read: (reader: Reader) => A): Result.Result<A, string> => {
  try {
    const reader = new Reader(text)
    const value = read(reader)
    return reader.atEnd() ? Result.succeed(value) : reader.expected("the end")
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}

/**
 * Parses one SQL type, case-insensitively. Elements and values may be null; struct fields are
 * nullable unless NOT NULL.
 */
export const parseColumnType = (text: string): Result.Result<ColumnType, string> =>
  run(text, (reader) => readType(reader, 0))

/**
 * Parses `catalog.schema.table(column TYPE [NOT NULL] [COMMENT '...'], ...)`, optionally followed
 * by `[PARTITIONED BY (a, b)] [COMMENT '...']` and preceded by `CREATE TABLE`. Checks the rules of
 * a definition.
 */
export const parseTableDefinition = (text: string): Result.Result<TableDefinition, string> =>
  Result.flatMap(run(text, readTable), (definition) => {
    const problem = definitionProblem(definition)
    return problem === undefined ? Result.succeed(definition) : Result.fail(problem)
  })

/**
 * Parses the tables of `CREATE TABLE` statements that end with semicolons, with SQL comments
 * between and in them. Names of tables must differ, ignoring case.
 */
export const parseTables = (text: string): Result.Result<ReadonlyArray<TableDefinition>, string> =>
  run(text, (reader) => {
    const found = new Map<string, TableDefinition>()
    while (!reader.atEnd()) {
      if (reader.accept(";")) continue
      const at = reader.place(reader.position)
      if (reader.peekWord().toUpperCase() !== "CREATE") reader.expected("CREATE TABLE")
      const definition = readTable(reader)
      const problem = definitionProblem(definition)
      if (problem !== undefined) reader.refuse(`The table at ${at} cannot be used: ${problem}`)
      if (found.has(definition.name.toLowerCase()))
        reader.refuse(`The table ${definition.name} is defined twice.`)
      found.set(definition.name.toLowerCase(), definition)
    }
    return [...found.values()]
  })

/** The path of a field, as in `columnAddition.ts`. */
const readPath = (reader: Reader): string => {
  const path = [reader.name("column name")]
  while (reader.accept(".")) path.push(reader.name("field name"))
  return path.join(".")
}

/**
 * Parses the columns of `a INT, b.c ARRAY<STRING> COMMENT '...'`, as they follow ADD COLUMN.
 * Parentheses around them are optional.
 */
export const parseColumns = (
  text: string
): Result.Result<ReadonlyArray<ColumnDefinition>, string> =>
  run(text, (reader) => {
    const read = text.trimStart().startsWith("(") ? readList : readItems
    return read(reader, () => readColumn(reader, "column name", 0, readPath(reader)))
  })
