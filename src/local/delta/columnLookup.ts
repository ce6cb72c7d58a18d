/**
 * Looks up column names that other writers put into the log and into files. Delta compares names
 * without regard to case, so their case may differ from the table's schema.
 */

/** Whether two names mean the same column. */
export const sameName = (one: string, other: string): boolean =>
  one === other || one.toLowerCase() === other.toLowerCase()

/** The key of an object that names the column; undefined when there is none. */
export const keyOf = (object: object, column: string): string | undefined =>
  Object.hasOwn(object, column) ? column : Object.keys(object).find((key) => sameName(key, column))

/**
 * The text of a partition column in the partition values of a file; null for NULL and for a missing
 * value.
 */
export const partitionText = (
  values: Readonly<Record<string, string | null>>,
  column: string
): string | null => {
  const key = keyOf(values, column)
  return key === undefined ? null : (values[key] ?? null)
}
