/**
 * The console in light and dark mode, at desktop and phone widths. Each screenshot is kept among
 * the reports.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults } from "effect-zerobus/testing"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import type { Browser, Page } from "playwright-core"
import {
  executablePath,
  launch,
  openPage,
  reports,
  type RunningLocal,
  startLocal,
  untilLive
} from "./consolePage.ts"

/** The screenshot in the docs. */
const published = resolve(import.meta.dirname, "../../docs/console.png")

const tables = [
  [
    "air_quality",
    "device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, note STRING"
  ],
  ["orders", "id BIGINT, item STRING, price DECIMAL(10,2), tags ARRAY<STRING>"],
  ["clicks", "page STRING, user_id BIGINT"],
  ["audit_log", "line STRING"]
] as const

const makers: ReadonlyArray<readonly [table: string, batch: number, make: (n: number) => object]> =
  [
    [
      "air_quality",
      240,
      (n) => ({ device_name: `sensor-${n % 17}`, temp: 18 + (n % 9), humidity: 40 + (n % 30) })
    ],
    ["air_quality", 60, (n) => ({ device_name: `gateway-${n % 3}`, temp: 21, note: "relayed" })],
    [
      "orders",
      9,
      (n) => ({ id: n, item: `item ${n % 40}`, price: "12.50", tags: ["new", "blue"] })
    ],
    ["clicks", 45, (n) => ({ page: `/page/${n % 20}`, user_id: n * 7 })]
  ]

/** Opens streams that send for `seconds` seconds and then stay open. */
const traffic = (seconds: number) =>
  Effect.flatMap(Zerobus, (zerobus) =>
    Effect.forEach(
      makers,
      ([table, batch, make]) =>
        Effect.gen(function* () {
          const stream = yield* zerobus.createStream(TableProperties.json(`main.default.${table}`))
          for (let n = 0; n < seconds * 10; n++) {
            const size = Math.ceil(batch * (0.75 + 0.25 * Math.sin(n / 25)))
            yield* stream.ingestRecords(Array.from({ length: size }, (_, i) => make(n * batch + i)))
            yield* Effect.sleep(100)
          }
        }),
      { concurrency: "unbounded", discard: true }
    )
  )

describe.skipIf(executablePath === undefined)("the looks of the console", () => {
  let browser: Browser
  let server: RunningLocal
  const dataDir = mkdtempSync(join(tmpdir(), "zerobus-looks-"))
  const publishes = process.env["ZEROBUS_WRITE_SCREENSHOT"] !== undefined
  const pages: Array<Page> = []

  const open = async (options: Parameters<typeof openPage>[2]): Promise<Page> => {
    const { page } = await openPage(browser, server.local, options)
    await untilLive(page)
    pages.push(page)
    return page
  }

  beforeAll(async () => {
    browser = await launch()
    server = await startLocal({ dataDir })
    for (const [name, columns] of tables) {
      await server.run(server.local.createTable(`main.default.${name}(${columns})`))
    }
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it("are those of a page that has run for a while", async () => {
    const viewports = {
      desk: { width: 1280, height: 860 },
      phone: { width: 360, height: 740 }
    }
    const light = await open({ viewport: viewports.desk, colorScheme: "light" })
    const dark = await open({ viewport: viewports.desk, colorScheme: "dark" })
    const phone = await open({
      viewport: viewports.phone,
      colorScheme: "light",
      deviceScaleFactor: 2
    })
    const phoneDark = await open({
      viewport: viewports.phone,
      colorScheme: "dark",
      deviceScaleFactor: 2
    })
    await server.run(server.local.inject("main.default.clicks", Faults.disconnect({ nth: 20 })))
    const sent = server.run(traffic(publishes ? 75 : 10))
    // Take the screenshots while the streams are sending.
    const age = publishes ? /^\d+ min$/ : /^(?:[5-9]|\d\d) s$/
    const aged = light.locator(".grid-streams .row.body").getByText(age).first()
    await aged.waitFor({ timeout: 90_000 })
    await light.screenshot({ path: join(reports, "light.png") })
    await dark.screenshot({ path: join(reports, "dark.png") })
    await phone.screenshot({ path: join(reports, "phone.png"), fullPage: true })
    await phoneDark.screenshot({ path: join(reports, "phone-dark.png"), fullPage: true })
    if (publishes) copyFileSync(join(reports, "light.png"), published)
    await sent

    const brightness = (page: Page) =>
      page.evaluate(() => {
        const [red, green, blue] = getComputedStyle(document.body)
          .backgroundColor.match(/\d+/g)!
          .map(Number)
        return (red! + green! + blue!) / 3
      })
    assert.isAbove(await brightness(light), 200)
    assert.isBelow(await brightness(dark), 60)
    // Nothing overflows a narrow window, neither the page nor any panel.
    for (const page of [phone, phoneDark, light]) {
      const wide = await page.evaluate(() =>
        [...document.querySelectorAll("body, main, .panel, .panel-head, .numbers > div")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
          .map((element) => element.className)
      )
      assert.deepStrictEqual(wide, [])
      assert.isAtMost(
        await page.evaluate(() => document.documentElement.scrollWidth),
        await page.evaluate(() => innerWidth)
      )
    }
  }, 150_000)

  it("are those of a table, of a phone with one, and of a page that is locked", async () => {
    const [light, dark, phone] = pages as [Page, Page, Page]
    for (const [page, name] of [
      [light, "table"],
      [dark, "table-dark"],
      [phone, "table-phone"]
    ] as const) {
      await page.locator(".grid-tables .row.body", { hasText: "air_quality" }).click()
      const dialog = page.getByRole("dialog")
      await dialog.locator("tbody tr").first().waitFor()
      await page.screenshot({ path: join(reports, `${name}.png`) })
      await dialog.getByRole("tab", { name: "Columns" }).click()
      await page.screenshot({ path: join(reports, `${name}-columns.png`) })
      // A short type fits on one line.
      for (const row of await dialog.locator(".schema tbody tr").all()) {
        assert.isBelow((await row.boundingBox())!.height, 40)
      }
      await dialog.getByRole("tab", { name: "Faults" }).click()
      await page.screenshot({ path: join(reports, `${name}-faults.png`) })
      const box = (await dialog.boundingBox())!
      assert.isAtMost(box.x + box.width, page.viewportSize()!.width)
      await page.keyboard.press("Escape")
    }
    const locked = await openPage(browser, server.local, { address: server.local.workspaceUrl })
    await locked.page.getByRole("heading", { name: "Open the console with its link" }).waitFor()
    await locked.page.screenshot({ path: join(reports, "locked.png") })
    assert.notInclude(await locked.page.content(), Redacted.value(server.local.clientSecret))
  }, 60_000)
})
