/**
 * The tables of the benchmark of many tables.
 */

/** The name of the n-th table. */
export const tableName = (n: number): string => `main.bench.t${n}`
