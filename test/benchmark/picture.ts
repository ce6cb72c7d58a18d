/**
 * Draws figures with Vega, which is fetched into `.cache/` and is not a dependency of the package.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"

/** One series at one rate. Rates in records per second, times in milliseconds. */
export interface LatencyPoint {
  readonly series: string
  readonly offered: number
  readonly reached: number
  readonly p50: number
  readonly p99: number
  readonly calls: number
}

/** The data of the picture, and the machine it was measured on. */
export interface LatencyFigures {
  readonly date: string
  readonly machine: string
  readonly load: number
  readonly recordBytes: number
  readonly points: ReadonlyArray<LatencyPoint>
}

interface Vega {
  readonly parse: (spec: unknown) => unknown
  readonly View: new (
    runtime: unknown,
    options: { readonly renderer: "none" }
  ) => { readonly toSVG: () => Promise<string> }
}

interface VegaLite {
  readonly compile: (spec: unknown) => { readonly spec: unknown }
}

const packages = ["vega@6.4.0", "vega-lite@6.5.0"]

/** Loads both, and first fetches them if necessary. */
const loadVega = async (): Promise<{ readonly vega: Vega; readonly lite: VegaLite }> => {
  const folder = fileURLToPath(new URL("../../.cache/plot/", import.meta.url))
  if (!existsSync(`${folder}node_modules/vega-lite`)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}package.json`, JSON.stringify({ name: "plot", private: true }))
    const install = [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--no-save",
      ...packages
    ]
    const { status, stderr } = spawnSync("npm", install, {
      cwd: folder,
      encoding: "utf8",
      timeout: 180_000
    })
    if (status !== 0) throw new Error(`npm could not install ${packages.join(" and ")}: ${stderr}`)
  }
  const { resolve } = createRequire(`${folder}package.json`)
  const load = <A>(name: string) => import(pathToFileURL(resolve(name)).href) as Promise<A>
  return { vega: await load<Vega>("vega"), lite: await load<VegaLite>("vega-lite") }
}

/**
 * Colours that also differ in brightness, and a shape each, so that the series can be told apart
 * without colours.
 */
const colours = ["#d62728", "#9ecae1", "#4292c6", "#2171b5", "#08306b"]
const shapes = ["circle", "square", "triangle-up", "diamond", "cross"]

/**
 * Median and 99th percentile side by side, with logarithmic axes, on white, so that the picture is
 * readable on any page.
 */
const specOf = (figures: LatencyFigures, names: ReadonlyArray<string>): unknown => {
  const values = figures.points.flatMap(({ p50, p99, reached, series }) => [
    { series, reached, percentile: "median", millis: p50 },
    { series, reached, percentile: "99th percentile", millis: p99 }
  ])
  const ticks = [1e2, 1e3, 1e4, 1e5, 1e6].filter(
    (tick) => tick <= 2 * Math.max(...values.map(({ reached }) => reached))
  )
  const domain = names.filter((name) => values.some(({ series }) => series === name))
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 16,
    title: {
      text: "Time to acknowledgement against records per second",
      subtitle: [
        `one stream, records of ${figures.recordBytes.toLocaleString("en-US")} B, loopback, a ` +
          `server that acknowledges at once`,
        `${figures.date}, ${figures.machine}`,
        ...(figures.load > 0.5
          ? [`measured while the machine did other things too (load ${figures.load})`]
          : [])
      ],
      anchor: "start",
      fontSize: 16,
      subtitleFontSize: 12,
      subtitlePadding: 6,
      offset: 14
    },
    data: { values },
    facet: { column: { field: "percentile", sort: ["median", "99th percentile"], title: null } },
    spec: {
      width: 380,
      height: 320,
      mark: { type: "line", point: { filled: true, size: 55 }, strokeWidth: 2 },
      encoding: {
        x: {
          field: "reached",
          type: "quantitative",
          title: "records per second",
          scale: { type: "log", nice: false, padding: 12 },
          axis: {
            values: ticks,
            labelExpr:
              "datum.value >= 1e6 ? format(datum.value / 1e6, ',') + 'M' : format(datum.value, ',')"
          }
        },
        y: {
          field: "millis",
          type: "quantitative",
          title: "milliseconds to acknowledgement",
          scale: { type: "log", nice: false, padding: 12 },
          axis: { values: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], format: "~g" }
        },
        color: { field: "series", sort: domain, scale: { domain, range: colours }, title: null },
        shape: { field: "series", sort: domain, scale: { domain, range: shapes }, title: null },
        order: { field: "reached" }
      }
    },
    config: {
      font: "Helvetica, Arial, sans-serif",
      header: { labelFontSize: 13, labelFontWeight: "bold" },
      axis: { labelFontSize: 12, titleFontSize: 12, titlePadding: 8, gridColor: "#e5e5e5" },
      legend: {
        orient: "bottom",
        direction: "horizontal",
        columns: 5,
        labelFontSize: 12,
        labelLimit: 0,
        symbolSize: 90,
        offset: 14
      }
    }
  }
}

/** The picture as SVG. */
export const latencyPicture = async (
  figures: LatencyFigures,
  names: ReadonlyArray<string>
): Promise<string> => {
  const { lite, vega } = await loadVega()
  const view = new vega.View(vega.parse(lite.compile(specOf(figures, names)).spec), {
    renderer: "none"
  })
  return `${await view.toSVG()}\n`
}
