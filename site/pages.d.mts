/** A page of the site, made of a file of the repository. */
export interface StagedPage {
  readonly file: string
  readonly staged: string
  readonly title: string
  readonly category: string
  readonly address: string
}

/** Writes the pages of a repository below a folder; throws where a link leads to no file. */
export const stagePages: (
  root: string,
  stage: string
) => {
  readonly pages: ReadonlyArray<StagedPage>
  readonly categories: ReadonlyArray<string>
  readonly readme: string
}
