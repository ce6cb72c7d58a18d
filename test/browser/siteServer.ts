/**
 * Serves the built documentation site on loopback, and opens its pages in a real Chromium with a
 * record of everything that must not happen in them.
 */
import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Path from "node:path"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"

/** The folder of the built site. */
export const folder = Path.resolve(import.meta.dirname, "../../site/out")

/** The folder of the screenshots. */
export const reports = Path.resolve(import.meta.dirname, "../../reports/site")

/** The pages of the site, as paths below its address. */
export const sitePages = (): ReadonlyArray<string> =>
  Fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".html"))
    .sort()

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png"
}

/** Serves the site on a free port. Returns its address, which ends with a slash. */
export const serveSite = async (): Promise<{
  readonly address: string
  readonly close: () => void
}> => {
  const server = Http.createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://site").pathname)
    const file = Path.join(folder, path.endsWith("/") ? `${path}index.html` : path)
    if (!file.startsWith(folder) || !Fs.existsSync(file)) {
      response.writeHead(404).end()
      return
    }
    response.setHeader("content-type", types[Path.extname(file)] ?? "text/plain; charset=utf-8")
    response.end(Fs.readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return { address: `http://127.0.0.1:${port}/`, close: () => server.closeAllConnections() }
}

/** A page, and its errors, failed requests and requests to other hosts. */
export interface SitePage {
  readonly page: Page
  readonly wrong: Array<string>
  readonly close: () => Promise<void>
}

/** Opens an empty page. */
export const newSitePage = async (
  browser: Browser,
  address: string,
  options: BrowserContextOptions
): Promise<SitePage> => {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const wrong: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrong.push(message.text())
  })
  page.on("pageerror", (error) => wrong.push(error.message))
  page.on("request", (request) => {
    const url = request.url()
    if (!url.startsWith(address) && !/^(?:data|blob):/.test(url)) wrong.push(`requested ${url}`)
  })
  page.on("response", (response) => {
    if (response.status() >= 400) wrong.push(`${response.url()} answered ${response.status()}`)
  })
  return { page, wrong, close: () => context.close() }
}

/** Waits until a page has its navigation and its diagrams. */
export const untilDrawn = async (page: Page): Promise<void> => {
  await page.locator("#tsd-nav-container a").first().waitFor({ state: "attached" })
  await page.waitForFunction(() => document.querySelector("pre > code.mermaid") === null)
}
