/** What {@link checkLinks} found. */
export interface SiteLinks {
  readonly pages: number
  /** Links to a place inside the site. */
  readonly inside: number
  /** Different addresses of other hosts. */
  readonly outside: number
  /** A text for each link that is wrong. */
  readonly faults: ReadonlyArray<string>
}

/** Checks the links of the pages below a folder, and that no page loads from another host. */
export const checkLinks: (folder: string) => SiteLinks
