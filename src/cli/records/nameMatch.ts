/**
 * Which column a name of a file means, by one rule for CSV headers and JSON keys: the column of the
 * same name; else the one whose name differs in case only; else the one that is the same in its
 * letters and digits, with anything else between them (`Cost Total $` is `cost_total`).
 *
 * A name that could mean several columns means none, and so does one without letters and digits.
 */

/**
 * A name's letters and digits in lower case, with one underscore for whatever stands between them.
 */
const plainName = (name: string): string =>
  name
    .normalize("NFC")
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "")

/** Index of a column, or why a name has none. */
export type Match = number | "unknown" | "ambiguous" | "taken"

/** Stands for several columns in the maps. */
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

  /** The column that a name means which is not a column's own name. */
  alike(name: string): number | "unknown" | "ambiguous" {
    const found = this.byCase.get(name.toLowerCase()) ?? this.byLetters.get(plainName(name))
    return found === undefined ? "unknown" : found === several ? "ambiguous" : found
  }

  /**
   * The columns of the names that stand in one header or object. A column's own name wins over
   * others that mean it, which are `taken`; of several names that are merely alike all but the
   * first are given as the same column.
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

/** Why a name has no column, for messages. */
export const noColumn = (name: string, match: Match): string => {
  switch (match) {
    case "ambiguous":
      return `${quoted(name)} could be several columns of the table; write the name of one of them`
    case "taken":
      return `${quoted(name)} means a column whose own name is there too`
    default:
      return `the table has no column ${quoted(name)}`
  }
}
