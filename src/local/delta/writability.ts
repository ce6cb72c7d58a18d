/**
 * Checks whether this server can write a table under the rules of the table.
 *
 * Active features count, not listed ones: a table may list `checkConstraints` and have no
 * constraint. A table with an unknown feature is refused, because writing without that feature
 * could break the table for every reader.
 */
import { NotAFile, NotAFolder } from "../../internal/log/plainFile.ts"
import { tableRefused } from "../log/storageErrors.ts"
import { placeProblem } from "../log/tableFolders.ts"
import type { Metadata, Protocol } from "./deltaActions.ts"

/**
 * A table that this server must not write to. `why` ends a sentence that names the table; `remedy`
 * is a sentence about what to do. Callers that know of records in its log add how to salvage them.
 */
export class TableRefused extends Error {
  readonly code = tableRefused
  constructor(
    table: string,
    why: string,
    remedy = "Undo the change, and the server writes to it again."
  ) {
    super(
      `The table ${table} is refused, because ${why}. This server writes nothing to it. ${remedy}`
    )
  }
}

/** What to do about a table whose folder or Delta log is gone. */
const putBack = (table: string): string =>
  `Restore it, or give up the table, so that it can be created again: zerobus table drop ` +
  `${table} --yes.`

/** A table whose files are gone. */
export const tableGone = (table: string, what = "its Delta log"): TableRefused =>
  new TableRefused(table, `${what} is gone`, putBack(table))

/**
 * Throws `TableRefused` unless all parts of the path to a table and its log are plain folders:
 * nothing is written through a link.
 */
export const checkPlace = (table: string, location: string): void => {
  const found = placeProblem(location)
  if (found === undefined) return
  if (found.kind === undefined) throw tableGone(table, `the folder ${found.path}`)
  throw notPlain(table, `${found.path} is ${found.kind}, where a folder is needed`)
}

const notPlain = (table: string, what: string): TableRefused =>
  new TableRefused(
    table,
    what,
    "Move it away and restore what was there, and the server writes to the table again."
  )

/**
 * Turns the error for a link or a special file in place of a table's file into the refusal of the
 * table. Returns any other error unchanged.
 */
export const refusalOf = (table: string, error: unknown): unknown =>
  error instanceof NotAFile || error instanceof NotAFolder ? notPlain(table, error.what) : error

/** The rules that a table sets for its writers. */
export interface TableRules {
  readonly protocol: Protocol
  readonly metadata: Metadata
}

/** Features that older writer versions imply, each with the first version that implies it. */
const implied: ReadonlyArray<readonly [version: number, feature: string]> = [
  [2, "appendOnly"],
  [2, "invariants"],
  [3, "checkConstraints"],
  [4, "changeDataFeed"],
  [4, "generatedColumns"],
  [5, "columnMapping"],
  [6, "identityColumns"]
]

/** The features that a writer version below 7 implies. */
export const impliedFeatures = ({ minWriterVersion: writer }: Protocol): ReadonlyArray<string> =>
  writer === 7 ? [] : implied.filter(([version]) => writer >= version).map(([, feature]) => feature)

type Check = (rules: TableRules) => string | undefined

const harmless: Check = () => undefined

const property = (metadata: Metadata, name: string): string =>
  (metadata.configuration[name] ?? "").toLowerCase()

const whenEnabled =
  (name: string, what: string): Check =>
  ({ metadata }) =>
    property(metadata, name) === "true" ? `it has ${what} (${name})` : undefined

const always =
  (what: string): Check =>
  () =>
    `it has ${what}`

/** The first column, nested ones included, whose metadata in the schema has one of these keys. */
const columnWith = (schema: string, keys: ReadonlyArray<string>): string | undefined => {
  let found: string | undefined
  JSON.parse(schema, function (this: unknown, key: string, value: unknown) {
    if (key !== "metadata" || typeof value !== "object" || value === null) return value
    const { name } = this as { readonly name?: unknown }
    if (keys.some((each) => Object.hasOwn(value, each)))
      found ??= typeof name === "string" ? name : "?"
    return value
  })
  return found
}

const withColumns =
  (what: string, ...keys: ReadonlyArray<string>): Check =>
  ({ metadata }) => {
    const column = columnWith(metadata.schemaString, keys)
    return column === undefined ? undefined : `its column ${column} has ${what}`
  }

const checkConstraints: Check = ({ metadata }) => {
  const name = Object.keys(metadata.configuration).find((key) =>
    key.startsWith("delta.constraints.")
  )
  return name === undefined
    ? undefined
    : `it has the CHECK constraint ${name.slice("delta.constraints.".length)}`
}

const columnMapping: Check = ({ metadata }) => {
  const mode = property(metadata, "delta.columnMapping.mode")
  return mode === "" || mode === "none"
    ? undefined
    : `it maps its columns by ${mode} (delta.columnMapping.mode)`
}

const features: Readonly<Record<string, Check>> = {
  "allowColumnDefaults": harmless,
  "appendOnly": harmless,
  "changeDataFeed": harmless,
  "checkConstraints": checkConstraints,
  "clustering": harmless,
  "columnMapping": columnMapping,
  "deletionVectors": harmless,
  "domainMetadata": harmless,
  "generatedColumns": withColumns("a generation expression", "delta.generationExpression"),
  "icebergCompatV1": whenEnabled("delta.enableIcebergCompatV1", "Iceberg compatibility"),
  "icebergCompatV2": whenEnabled("delta.enableIcebergCompatV2", "Iceberg compatibility"),
  "icebergCompatV3": whenEnabled("delta.enableIcebergCompatV3", "Iceberg compatibility"),
  "identityColumns": withColumns("identity values", "delta.identity.start", "delta.identity.step"),
  "inCommitTimestamp": harmless,
  "invariants": withColumns("an invariant", "delta.invariants"),
  // Rows get ids as soon as the feature is listed, even if the table does not enable it.
  "rowTracking": always("row tracking"),
  "timestampNtz": harmless,
  "typeWidening": withColumns("a widened type", "delta.typeChanges"),
  "typeWidening-preview": withColumns("a widened type", "delta.typeChanges"),
  "v2Checkpoint": harmless,
  "vacuumProtocolCheck": harmless,
  "variantShredding": harmless,
  "variantShredding-preview": harmless,
  "variantType": harmless,
  "variantType-preview": harmless
}

/**
 * Caches the problem of a table's metadata under a protocol: every flush needs it, and both rarely
 * change.
 */
const known = new WeakMap<
  Metadata,
  { readonly protocol: Protocol; readonly problem: string | undefined }
>()

/**
 * Why this server cannot write the table, as the end of a sentence that names the table; undefined
 * when it can.
 */
export const writeProblem = (rules: TableRules): string | undefined => {
  const found = known.get(rules.metadata)
  if (found?.protocol === rules.protocol) return found.problem
  const problem = findProblem(rules)
  known.set(rules.metadata, { protocol: rules.protocol, problem })
  return problem
}

const findProblem = (rules: TableRules): string | undefined => {
  const { minReaderVersion: reader, minWriterVersion: writer } = rules.protocol
  if (reader > 3 || writer > 7)
    return `it needs reader version ${reader} and writer version ${writer}`
  const listed = [
    ...impliedFeatures(rules.protocol),
    ...(reader === 2 ? ["columnMapping"] : []),
    ...(rules.protocol.readerFeatures ?? []),
    ...(rules.protocol.writerFeatures ?? [])
  ]
  const unknown = [...new Set(listed)].filter((feature) => !Object.hasOwn(features, feature))
  if (unknown.length > 0) return `it needs the features ${unknown.join(", ")}`
  for (const feature of listed) {
    const problem = features[feature]!(rules)
    if (problem !== undefined) return problem
  }
  return undefined
}
