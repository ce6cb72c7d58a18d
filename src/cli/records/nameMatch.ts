/**
 * Finds the column for a name in a file, by the same rules for CSV headers and JSON keys. First the
 * column with the same name; then the one whose name differs only in case; then the one with the
 * same letters and digits and anything else between them (`Cost Total $` is `cost_total`).
 *
 * A name that could match several columns matches none, and so does a name without letters and
 * digits.
 */

/**
 * The letters and digits of a name in lower case. Everything between them becomes one underscore.
 */
const plainName = (name: string): string =>
  name
    .normalize("NFC")
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "")

/** Index of a column, or why a name matches none. */
export type Match = number | "unknown" | "ambiguous" | "taken"

/** Marks several columns in the maps. */
const several = -1

/** Finds the columns of names. */
export class NameMatch {
  private readonly own: ReadonlyMap<string, number>
  private readonly byCase = new Map<string, number>()
  private readonly byLetters = new Map<string, number>()

  constructor(columns: ReadonlyArray<string>) {
    this.own = new Map(columns.map((name, index) => [name, index]))
    const add = (map: Map<string, number>, key: string, index: number) => {
      if (key !== "") map.set(key, map.has(key) ? several : index)
    }
    columns.forEach((name, index) => {
      add(this.byCase, name.toLowerCase(), index)
      add(this.byLetters, plainName(name), index)
    })
  }

  /** The column for a name that is not exactly a column's name. */
  alike(name: string): number | "unknown" | "ambiguous" {
    const found = this.byCase.get(name.toLowerCase()) ?? this.byLetters.get(plainName(name))
    return found === undefined ? "unknown" : found === several ? "ambiguous" : found
  }

  /**
   * The columns for the names of one header or object. A column's exact name has priority; other
   * names for the same column are `taken`. When several approximate names match a column, all of
   * them return it.
   */
  columnsOf(names: ReadonlyArray<string>): ReadonlyArray<Match> {
    const taken = new Set(names.map((name) => this.own.get(name)))
    return names.map((name) => {
      const own = this.own.get(name)
      if (own !== undefined) return own
      const alike = this.alike(name)
      return typeof alike === "number" && taken.has(alike) ? "taken" : alike
    })
  }
}

const quoted = (name: string): string => JSON.stringify(name.slice(0, 64).toWellFormed())

/** The message for a name without a column. */
export const noColumn = (name: string, match: Match): string => {
  switch (match) {
    case "ambiguous":
      return `${quoted(name)} matches several columns of the table; use the exact name of one`
    case "taken":
      return `${quoted(name)} matches a column whose exact name is there too`
    default:
      return `the table has no column ${quoted(name)}`
  }
}
