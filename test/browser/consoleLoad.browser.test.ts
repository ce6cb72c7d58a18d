/** The console with many tables and streams, and with malicious names and values. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import type { Browser } from "playwright-core"
import { openRaw, postToken, tokenForm } from "../support/rawStream.ts"
import { executablePath, launch, openPage, startLocal, untilLive } from "./consolePage.ts"

const markup = `<img src=x onerror="window.struck=1"><script>window.struck=2</script>`
const allTables = 1000
const allStreams = 500

describe.skipIf(executablePath === undefined)("the console", () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launch()
  }, 120_000)
  afterAll(() => browser?.close())

  it(
    "renders only the visible part of 1,000 tables and 500 streams, and finds, sorts and scrolls " +
      "the rest",
    async () => {
      const server = await startLocal({ auth: false })
      const names = Array.from({ length: allTables }, (_, n) => `main.s${n % 10}.table_${n}`)
      await server.run(Effect.forEach(names, (name) => server.local.createTable(`${name}(id INT)`)))
      // Handwritten calls share one connection, which opens streams faster than clients would.
      const openStream = Effect.fnUntraced(function* (name: string) {
        const headers = { "x-databricks-zerobus-table-name": name }
        const call = yield* openRaw(server.local.serverEndpoint, headers)
        yield* call.send({ createStream: { tableName: name, recordType: 2 } })
        yield* call.next
        return call
      })
      const streams = await server.run(
        Effect.forEach(names.slice(0, allStreams), openStream, { concurrency: 50 })
      )
      const { assertClean, close, page } = await openPage(browser, server.local)
      await untilLive(page)
      await page.locator(".grid-tables .badge", { hasText: "1,000" }).waitFor()
      await page.locator(".grid-streams .badge", { hasText: "500" }).waitFor()
      const drawn = () => page.locator(".row.body").count()
      assert.isBelow(await drawn(), 80)

      for (let round = 1; round <= 3; round++) {
        const record = { offsetId: round - 1, jsonRecord: `{"id":${round}}` }
        await server.run(Effect.forEach(streams, (call) => call.send({ ingestRecord: record })))
        await page
          .getByText(`${(round * allStreams).toLocaleString("en-US")} since the start`)
          .waitFor()
      }
      await page.locator(".grid-tables").getByRole("button", { name: "Rows" }).click()
      await page.locator(".grid-tables .row.body", { hasText: "table_0" }).first().waitFor()

      const filter = page.getByRole("searchbox", { name: "Filter tables" })
      await filter.fill("S9.TABLE_99")
      await page.locator(".grid-tables .badge", { hasText: "2 of 1,000" }).waitFor()
      await filter.fill("")
      const grid = page.getByRole("grid", { name: "Open streams" })
      await grid.focus()
      await page.keyboard.press("End")
      const active = await grid.getAttribute("aria-activedescendant")
      assert.strictEqual(active, `streams-${allStreams - 1}`)
      const [bottom, end] = await page.evaluate(
        (id) => [
          document.getElementById(id!)!.getBoundingClientRect().bottom,
          document.querySelector(".grid-streams .rows")!.getBoundingClientRect().bottom
        ],
        active
      )
      assert.isAtMost(bottom!, end! + 1)
      assert.isBelow(await drawn(), 80)
      assertClean()
      await close()
      await server.stop()
    },
    120_000
  )

  it("shows markup in names, texts and values as text", async () => {
    const server = await startLocal()
    const long = `${"c".repeat(254)}`
    const name = `main.default.${"t".repeat(255)}`
    await server.run(
      server.local.createTable(`${name}(${long}a STRING, onload STRING, constructor INT)`)
    )
    const values = [markup, "\u202e\u0000</td></table>", "javascript:alert(1)", "x".repeat(100_000)]
    await server.run(
      Effect.flatMap(Zerobus, (zerobus) =>
        zerobus.withStream(TableProperties.json(name), (stream) =>
          stream.ingestRecords(
            values.map((value) => ({ [`${long}a`]: value, onload: markup, constructor: 1 }))
          )
        )
      )
    )
    const { assertClean, close, page } = await openPage(browser, server.local)
    await untilLive(page)
    // No table and no client of this name exists; the server reports both.
    const headers = { "x-databricks-zerobus-table-name": markup }
    await server.run(
      Effect.flatMap(openRaw(server.local.serverEndpoint, headers), (raw) => raw.end)
    )
    await server.run(postToken(server.local, tokenForm(name), `${markup}:secret`))
    const refused = page.locator(".events li", { hasText: "Stream refused" })
    await refused.waitFor()
    assert.include(await refused.textContent(), markup)
    const token = page.locator(".events li", { hasText: "Token refused" })
    await token.waitFor()
    await page.locator(".grid-tables .row.body").click()
    const dialog = page.getByRole("dialog")
    await dialog.locator("tbody tr").first().waitFor()
    const cells = await dialog.locator("tbody td:first-child").allTextContents()
    assert.deepStrictEqual(cells.toReversed(), [
      markup,
      "\\u{202e}\\u{0}</td></table>",
      "javascript:alert(1)",
      `${"x".repeat(160)}…`
    ])
    await dialog.getByRole("tab", { name: "SQL" }).click()
    assert.isUndefined(await page.evaluate(() => (window as { struck?: number }).struck))
    assert.strictEqual(await page.locator("img:not(.top img), script:not([src])").count(), 0)
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
    assert.isAtMost(widths[0]!, widths[1]!)
    assertClean()
    await close()
    await server.stop()
  }, 120_000)
})
