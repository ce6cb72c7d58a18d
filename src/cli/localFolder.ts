/**
 * Where a table of the catalog lies on this machine.
 */
import { fileURLToPath } from "node:url"

/** The folder of a table on this machine; undefined for tables elsewhere. */
export const localFolder = ({ location }: { readonly location: string | undefined }): string | undefined => {
  if (location === undefined || !location.startsWith("file://")) return undefined
  try {
    return fileURLToPath(location)
  } catch {
    // A URL with a host, or one that no path can have.
    return undefined
  }
}
