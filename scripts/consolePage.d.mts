import type { PageFiles } from "../src/local/console/consoleRoutes.ts"

/** The files of the console's page. */
export const pageFiles: () => Promise<PageFiles>
