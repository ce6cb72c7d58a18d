/**
 * Columns of typed tables. Each constructor is an Effect Schema that carries its SQL column type,
 * so columns combine with the rest of a domain model: brands, checks, transformations, optional
 * keys.
 *
 * The name of a constructor is the SQL type. `As...` variants use another TypeScript type for the
 * same SQL type. A value of the wrong type or range fails with `InvalidArgument` at the ingest
 * call, with the path of the column.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import type * as BigDecimal from "effect/BigDecimal"
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import {
  columnAnnotation,
  positionAnnotation,
  requiredAnnotation
} from "./internal/codec/columnSchema.ts"
import { decimalProblem } from "./internal/columns/columnNames.ts"
import { integerRange, numberRange } from "./internal/columns/scalarTypes.ts"
import type { Leaf } from "./internal/codec/scalars.ts"
import { decimal, decimalAsString, leaves } from "./internal/codec/scalars.ts"

/**
 * A scalar column: a schema of `T` stored as the SQL type `Tag`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Column<Tag extends string, T> extends Schema.Bottom<
  T,
  T,
  never,
  never,
  SchemaAST.AST,
  Column<Tag, T>
> {
  /** @hidden */
  readonly "~effect-zerobus/Column": Tag
}

const column = <Tag extends string, T>(schema: Schema.Schema<T>, leaf: Leaf): Column<Tag, T> =>
  annotated(
    schema.check(
      Schema.makeFilter((value: T) => leaf.toWire(value) !== undefined, { expected: leaf.expected })
    ),
    leaf
  )

// Effect's own schemas include their JSON codecs and generators.
const annotated = <Tag extends string, T>(schema: Schema.Top, leaf: Leaf): Column<Tag, T> =>
  schema.annotate({ [columnAnnotation]: leaf }) as unknown as Column<Tag, T>

const int = <Tag extends string>(
  leaf: Leaf,
  [minimum, maximum]: readonly [minimum: number, maximum: number]
): Column<Tag, number> =>
  annotated(Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })), leaf)

/**
 * BOOLEAN as `boolean`.
 *
 * @since 0.1.0
 * @category schemas
 */
const boolean: Column<"Boolean", boolean> = annotated(Schema.Boolean, leaves.Boolean)
/**
 * TINYINT as `number`, an integer from -128 to 127.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TinyInt: Column<"TinyInt", number> = int(leaves.TinyInt, numberRange("TinyInt"))
/**
 * SMALLINT as `number`, an integer from -32,768 to 32,767.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SmallInt: Column<"SmallInt", number> = int(leaves.SmallInt, numberRange("SmallInt"))
/**
 * INT as `number`, a 32-bit integer.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Int: Column<"Int", number> = int(leaves.Int, numberRange("Int"))
const [minInt64, maxInt64] = integerRange("BigInt")
/**
 * BIGINT as `bigint`, a 64-bit integer.
 *
 * @since 0.1.0
 * @category schemas
 */
const bigInt: Column<"BigInt", bigint> = annotated(
  Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: minInt64, maximum: maxInt64 })),
  leaves.BigInt
)
/**
 * BIGINT as `number`, a safe integer.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BigIntAsNumber: Column<"BigInt", number> = int(leaves.BigIntAsNumber, [
  Number.MIN_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER
])
/**
 * FLOAT as `number`, rounded to 32 bits. Finite numbers beyond the 32-bit range are refused; NaN
 * and infinities are allowed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Float: Column<"Float", number> = column(Schema.Number, leaves.Float)
/**
 * DOUBLE as `number`, including NaN and infinities (JSON tables refuse those).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Double: Column<"Double", number> = annotated(Schema.Number, leaves.Double)
/**
 * STRING as `string`. Text with lone surrogates is refused.
 *
 * @since 0.1.0
 * @category schemas
 */
const string: Column<"String", string> = annotated(Schema.String, leaves.String)
/**
 * BINARY as `Uint8Array`, copied at the ingest call.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Binary: Column<"Binary", Uint8Array> = annotated(Schema.Uint8Array, leaves.Binary)
/**
 * DATE as a `DateTime.Utc` at midnight. A value with a time of day is refused.
 *
 * @since 0.1.0
 * @category schemas
 */
const date: Column<"Date", DateTime.Utc> = annotated(Schema.DateTimeUtc, leaves.Date)
/**
 * DATE as text, `"2026-01-31"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DateAsString: Column<"Date", string> = column(Schema.String, leaves.DateAsString)
/**
 * TIMESTAMP, a point in time, as `DateTime.Utc` with millisecond precision.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Timestamp: Column<"Timestamp", DateTime.Utc> = annotated(
  Schema.DateTimeUtc,
  leaves.Timestamp
)
/**
 * TIMESTAMP as a JavaScript `Date`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TimestampAsDate: Column<"Timestamp", Date> = annotated(
  Schema.Date,
  leaves.TimestampAsDate
)
/**
 * TIMESTAMP as microseconds since 1970-01-01 UTC, the full precision of the type.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TimestampAsMicros: Column<"Timestamp", bigint> = column(
  Schema.BigInt,
  leaves.TimestampAsMicros
)
/**
 * TIMESTAMP_NTZ, a wall-clock time without time zone, as a `DateTime.Utc` whose UTC parts are the
 * wall-clock time.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TimestampNtz: Column<"TimestampNtz", DateTime.Utc> = annotated(
  Schema.DateTimeUtc,
  leaves.TimestampNtz
)
/**
 * TIMESTAMP_NTZ as a JavaScript `Date` whose UTC parts are the wall-clock time.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TimestampNtzAsDate: Column<"TimestampNtz", Date> = annotated(
  Schema.Date,
  leaves.TimestampNtzAsDate
)
/**
 * TIMESTAMP_NTZ as microseconds of wall-clock time since 1970-01-01.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TimestampNtzAsMicros: Column<"TimestampNtz", bigint> = column(
  Schema.BigInt,
  leaves.TimestampNtzAsMicros
)
/**
 * VARIANT as any JSON value, sent as JSON text. Inside `nullable`, `null` is the SQL NULL;
 * otherwise it is the JSON null.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Variant: Column<"Variant", Schema.Json> = annotated(
  Schema.Json as unknown as Schema.Top,
  leaves.Variant
)

export { bigInt as BigInt, boolean as Boolean, date as Date, string as String }

const checkedDecimal = (precision: number, scale: number): void => {
  const problem = decimalProblem(precision, scale)
  if (problem !== undefined) throw new RangeError(problem)
}

/**
 * DECIMAL(precision, scale) as `BigDecimal`. Values with too many digits are refused, never
 * rounded. Throws `RangeError` for an invalid precision or scale.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Decimal = (
  precision: number,
  scale: number
): Column<"Decimal", BigDecimal.BigDecimal> => {
  checkedDecimal(precision, scale)
  return column(Schema.BigDecimal, decimal(precision, scale))
}

/**
 * DECIMAL(precision, scale) as text, `"123.45"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DecimalAsString = (precision: number, scale: number): Column<"Decimal", string> => {
  checkedDecimal(precision, scale)
  return column(Schema.String, decimalAsString(precision, scale))
}

/**
 * A compile-time message for types that cannot be array elements or map values: collections and
 * nullable types.
 */
type Inner<S extends Schema.Constraint> = [S["Encoded"]] extends [ReadonlyArray<any>]
  ? "Wrap the inner array in Column.Struct"
  : [S["Encoded"]] extends [ReadonlyMap<any, any>]
    ? "Wrap the inner map in Column.Struct"
    : S extends { readonly "~effect-zerobus/Column": "Variant" }
      ? unknown
      : null extends S["Encoded"]
        ? "Elements and values cannot be null: wrap them in Column.Struct"
        : unknown

/** A compile-time message for types that cannot be map keys. */
type Key<S extends Schema.Constraint> = S extends {
  readonly "~effect-zerobus/Column": "Float" | "Double" | "Binary" | "Variant" | "Decimal"
}
  ? "Map keys are integers, booleans or strings"
  : [S["Encoded"]] extends [string | number | bigint | boolean | DateTime.Utc | Date]
    ? unknown
    : "Map keys are integers, booleans or strings"

/**
 * ARRAY of scalars or structs as `ReadonlyArray`. Arrays of arrays or maps do not compile: wrap the
 * inner collection in a struct.
 *
 * @since 0.1.0
 * @category schemas
 */
const array = <S extends Schema.Constraint>(element: S & Inner<S>): Schema.$Array<S> =>
  Schema.Array(element as S)

/**
 * MAP as `ReadonlyMap`, with integer, boolean, text or time keys and scalar or struct values.
 *
 * @since 0.1.0
 * @category schemas
 */
const map = <K extends Schema.Constraint, V extends Schema.Constraint>(
  key: K & Key<K>,
  value: V & Inner<V>
): Schema.$ReadonlyMap<K, V> =>
  Schema.ReadonlyMap(key as K, value as V).annotate({
    [columnAnnotation]: "map"
  }) as unknown as Schema.$ReadonlyMap<K, V>

/**
 * MAP with STRING keys as a plain object.
 *
 * @since 0.1.0
 * @category schemas
 */
const record = <V extends Schema.Constraint>(
  value: V & Inner<V>
): Schema.$Record<Schema.String, V> => Schema.Record(Schema.String, value as V)

/**
 * STRUCT with the given fields, numbered in their order.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Struct = <const F extends Schema.Struct.Fields>(fields: F): Schema.Struct<F> =>
  Schema.Struct(fields)

export { array as Array, map as Map, record as Record }

/** A compile-time message for types that cannot be null. */
type Nullable<S extends Schema.Constraint> = [S["Encoded"]] extends [ReadonlyArray<any>]
  ? "An array cannot be null: send an empty one, or wrap it in Column.Struct"
  : [S["Encoded"]] extends [ReadonlyMap<any, any>]
    ? "A map cannot be null: send an empty one, or wrap it in Column.Struct"
    : unknown

/**
 * Allows `null`. The table's column must allow it too, so it must not be NOT NULL. Arrays and maps
 * cannot be null.
 *
 * @since 0.1.0
 * @category combinators
 */
export const nullable = <S extends Schema.Constraint>(column: S & Nullable<S>): Schema.NullOr<S> =>
  Schema.NullOr(column as S)

/**
 * Marks a column as NOT NULL in the table. Its field is `required` in the descriptor. The
 * TypeScript type does not change.
 *
 * @since 0.1.0
 * @category combinators
 */
export const required = <S extends Schema.Top>(column: S): S["Rebuild"] =>
  column.annotate({ [requiredAnnotation]: true }) as S["Rebuild"]

/**
 * Sets the 0-based position of a column in the catalog, for tables with dropped columns. The field
 * number is the position + 1. Default: the index in the list. Applies only to columns of a table,
 * not to fields of structs.
 *
 * @since 0.1.0
 * @category combinators
 */
export const positioned = <S extends Schema.Top>(column: S, position: number): S["Rebuild"] =>
  column.annotate({ [positionAnnotation]: position }) as S["Rebuild"]
