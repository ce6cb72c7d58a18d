/**
 * The documentation site in a real Chromium, at desktop and phone widths: every guide and the main
 * pages of the reference render well, load nothing from other hosts, and are found by search.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import type { Browser } from "playwright-core"
import { executablePath, launch } from "./consolePage.ts"
import { tooFaint, tooWide } from "./sitePage.ts"
import { newSitePage, reports, serveSite, sitePages, untilDrawn } from "./siteServer.ts"

const sizes = {
  desk: { width: 1280, height: 900 },
  phone: { width: 390, height: 844 }
} as const

/** Pages of the reference with long signatures, many members or tables. */
const reference = [
  "reference/effect-zerobus/Column.html",
  "reference/effect-zerobus/Retryable.html",
  "reference/effect-zerobus/StreamConfigurationOptions.html",
  "reference/effect-zerobus/StreamPool/make.html",
  "reference/effect-zerobus/UnityCatalog.html",
  "reference/effect-zerobus/Zerobus.html",
  "reference/effect-zerobus/ZerobusError.html",
  "reference/effect-zerobus/ZerobusShape.html",
  "reference/effect-zerobus/testing/Faults.html",
  "reference/effect-zerobus/testing/Faults/FaultAction.html",
  "reference/effect-zerobus/testing/ZerobusLocal.html"
]

/** Pages with each kind of content: text, code, tables, diagrams, signatures. */
const dark = [
  "index.html",
  "guides/architecture.html",
  "guides/testing.html",
  "guides/types.html",
  "reference/effect-zerobus.html",
  "reference/effect-zerobus/Retryable.html",
  "reference/effect-zerobus/ZerobusShape.html"
]

const pages = executablePath === undefined ? [] : sitePages()
const isEntry = /^reference\/effect-zerobus(?:\/(?:arrow|avro|cluster|testing))?\.html$/
const looked = pages.filter(
  (page) =>
    /^(?:index|modules|guides\/.*|project\/.*)\.html$/.test(page) ||
    isEntry.test(page) ||
    reference.includes(page)
)

describe.skipIf(executablePath === undefined)("the documentation site", () => {
  let browser: Browser
  let site: Awaited<ReturnType<typeof serveSite>>
  beforeAll(async () => {
    browser = await launch()
    site = await serveSite()
  })
  afterAll(async () => {
    site.close()
    await browser.close()
  })

  it("has every guide and entry point, and the pages that this test looks at", () => {
    assert.includeMembers(looked, reference)
    assert.includeMembers(looked, [
      "index.html",
      "guides/index.html",
      "guides/errors.html",
      "project/contributing.html",
      ...["", "/arrow", "/avro", "/cluster", "/testing"].map(
        (entry) => `reference/effect-zerobus${entry}.html`
      )
    ])
    assert.isAbove(pages.length, 250)
  })

  /** Links inside the site, including those made by scripts, with the page that has them. */
  const links = new Map<string, string>()

  /**
   * Opens pages one after another, keeps a screenshot of each, and returns what is wrong with them.
   */
  const look = async (
    name: keyof typeof sizes,
    colorScheme: "light" | "dark",
    paths: ReadonlyArray<string>
  ) => {
    const options = { viewport: sizes[name], colorScheme }
    const { page, wrong, close } = await newSitePage(browser, site.address, options)
    const bad: Array<string> = []
    for (const path of paths) {
      await page.goto(site.address + path)
      await untilDrawn(page)
      const found = [...(await tooWide(page)), ...(await tooFaint(page)), ...wrong.splice(0)]
      bad.push(...found.map((text) => `${path}: ${text}`))
      const targets = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLAnchorElement>("a[href]")].map(({ href }) => href)
      )
      for (const link of targets) if (link.startsWith(site.address)) links.set(link, path)
      const file = `${name}-${colorScheme}-${path.replaceAll("/", "-").slice(0, -5)}.png`
      await page.screenshot({ path: Path.join(reports, file) })
    }
    await close()
    return bad
  }

  for (const [name, viewport] of Object.entries(sizes) as ReadonlyArray<
    [keyof typeof sizes, (typeof sizes)[keyof typeof sizes]]
  >) {
    it(`is legible, fits and loads nothing else on a ${name}`, async () => {
      assert.deepStrictEqual(await look(name, "light", looked), [])
    }, 300_000)

    it(`is legible in dark colours on a ${name}`, async () => {
      assert.deepStrictEqual(await look(name, "dark", dark), [])
    }, 60_000)

    it(`finds guides and names of the reference by its search on a ${name}`, async () => {
      const { page, wrong, close } = await newSitePage(browser, site.address, { viewport })
      const search = async (text: string, target: RegExp) => {
        await page.goto(site.address)
        await page.locator("#tsd-search-trigger").click()
        await page.locator("#tsd-search-input").fill(text)
        const results = page.locator("#tsd-search-results a")
        await results.first().waitFor()
        const found = await results.evaluateAll((links) =>
          links.map((link) => (link as HTMLAnchorElement).href)
        )
        await page.screenshot({ path: Path.join(reports, `${name}-search-${text}.png`) })
        const place = found.findIndex((href) => target.test(href))
        assert.include([0, 1, 2], place, `${text} is not among the first three of ${found}`)
        await results.nth(place).click()
        await page.waitForURL(target)
      }
      await search("offerUnsafe", /reference\/effect-zerobus\/ZerobusStream\.html/)
      await search(
        "cutAfterBytes",
        /reference\/effect-zerobus\/testing\/Faults\/cutAfterBytes\.html/
      )
      await search("Kubernetes", /guides\/production\.html/)
      await close()
      assert.deepStrictEqual(wrong, [])
    }, 60_000)
  }

  it("opens the navigation on a phone", async () => {
    const { page, wrong, close } = await newSitePage(browser, site.address, {
      viewport: sizes.phone
    })
    await page.goto(`${site.address}guides/ingest.html`)
    await untilDrawn(page)
    await page.locator("#tsd-toolbar-menu-trigger").click()
    const link = page.locator("#tsd-nav-container a", { hasText: "Errors" }).first()
    await link.scrollIntoViewIfNeeded()
    await page.screenshot({ path: Path.join(reports, "phone-navigation.png") })
    await link.click()
    await page.waitForURL(/guides\/errors\.html/)
    await close()
    assert.deepStrictEqual(wrong, [])
  }, 60_000)

  it("has no broken links, including those made by scripts", async () => {
    const texts = new Map<string, string | undefined>()
    const textOf = async (url: string) => {
      if (!texts.has(url)) {
        const response = await fetch(url)
        texts.set(url, response.ok ? await response.text() : undefined)
      }
      return texts.get(url)
    }
    const broken: Array<string> = []
    for (const [link, path] of links) {
      const [url, anchor] = link.split("#")
      const text = await textOf(url!)
      if (text === undefined || (anchor && !text.includes(`id="${decodeURIComponent(anchor)}"`))) {
        broken.push(`${path}: ${link}`)
      }
    }
    assert.deepStrictEqual(broken, [])
    assert.isAbove(links.size, 500)
  }, 60_000)
})
