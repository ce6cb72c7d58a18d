/**
 * The model of scalar values of typed columns. One leaf stands for one column type in one
 * TypeScript representation, such as TIMESTAMP as `DateTime.Utc`, as `Date` or as microseconds.
 * `scalars.ts` and the modules it imports contain the leaves.
 */
import type { ColumnType } from "../columns/columnType.ts"
import type { WireScalar } from "../columns/scalarTypes.ts"

/** A value in its wire form. 64-bit integers are numbers if they are safe, otherwise bigints. */
export type WireValue = number | bigint | string | boolean | Uint8Array

/** A column type in one TypeScript representation. */
export interface Leaf {
  readonly type: ColumnType
  readonly scalar: WireScalar
  /** What the column expects, as in "expects TINYINT (an integer from -128 to 127)". */
  readonly expected: string
  /** The value for the wire, or `undefined` when it is refused. Must not throw. */
  readonly toWire: (value: unknown) => WireValue | undefined
  /** Converts a wire value. `undefined` when it is outside the range of the type. */
  readonly fromWire: (value: WireValue) => unknown
  /**
   * Why a value is refused, in words such as "a number out of range"; `undefined` to use
   * `describeValue`.
   */
  readonly seen?: (value: unknown) => string | undefined
}
