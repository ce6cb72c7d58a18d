/**
 * Where a table of the local server is on this machine.
 */
import { fileURLToPath } from "node:url"
import type { CatalogTable } from "../UnityCatalog.ts"

/** The folder of a table on this machine; undefined for tables elsewhere. */
export const localFolder = ({ location }: CatalogTable): string | undefined => {
  if (location === undefined || !location.startsWith("file://")) return undefined
  try {
    return fileURLToPath(location)
  } catch {
    // A URL with a host, or one that no path can have.
    return undefined
  }
}
