/**
 * The plots of the last five minutes: records a second, and acknowledgement latency.
 */
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import { brief, countMarks, latency, latencyMarks, timeOfDay } from "./format.ts"
import { plotSeconds, type ServerState } from "./state.ts"

interface Line {
  readonly label: string
  /** The CSS variable of its colour. */
  readonly color: string
  readonly isFilled?: boolean
}

interface PlotProps {
  readonly title: string
  readonly lines: ReadonlyArray<Line>
  readonly valuesOf: (state: ServerState) => ReadonlyArray<ReadonlyArray<number | null>>
  readonly text: (value: number) => string
  /** Labels for the values of its axis. */
  readonly marks: (values: ReadonlyArray<number>) => ReadonlyArray<string>
  /** Minimum upper end of the scale, so that small noise does not fill the plot. */
  readonly leastTop: number
  readonly state: ServerState
  /** Increases with each change of the state. */
  readonly version: number
}

const plotHeight = 160

/** The computed colour of a CSS variable, for the canvas. */
const color = (name: string): string => {
  const probe = document.createElement("i")
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const transparent = (rgb: string): string => rgb.replace(/^rgb\((.*)\)$/, "rgba($1, 0.13)")

const optionsOf = ({ leastTop, lines, marks }: PlotProps, width: number): uPlot.Options => {
  const axis = {
    stroke: color("--muted"),
    font: "11px system-ui, sans-serif",
    ticks: { show: false }
  }
  const grid = { stroke: color("--line"), width: 1 }
  return {
    width,
    height: plotHeight,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 6 },
      drag: { x: false, y: false },
      sync: { key: "console" }
    },
    scales: {
      x: {
        time: true,
        range: (_, first, last) => [last - Math.max(60, Math.min(plotSeconds, last - first)), last]
      },
      y: { range: (_, __, top) => [0, Math.max(leastTop, (top ?? 0) * 1.15)] }
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 90,
        // A label at the right edge would be cut off.
        values: (plot, splits) =>
          splits.map((at) =>
            plot.valToPos(at, "x") > plot.over.clientWidth - 20 ? "" : timeOfDay(at * 1000)
          )
      },
      {
        ...axis,
        grid,
        size: 58,
        space: 30,
        values: (_, splits) => [...marks(splits)]
      }
    ],
    series: [
      {},
      ...lines.map((line): uPlot.Series => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.75,
        spanGaps: false,
        points: { show: false },
        ...(line.isFilled ? { fill: transparent(color(line.color)) } : {})
      }))
    ]
  }
}

/** One plot with a legend, which shows the values at the cursor, else the latest ones. */
const Plot = (props: PlotProps) => {
  const { lines, text, title, version } = props
  const box = useRef<HTMLDivElement>(null)
  const legend = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const latest = useRef(props)
  latest.current = props

  const showValues = () => {
    const values = latest.current.valuesOf(latest.current.state)
    const index = plot.current?.cursor.idx ?? values[0]!.length - 1
    legend.current?.querySelectorAll("b").forEach((element, line) => {
      const value = values[line]?.[index]
      element.textContent = value === null || value === undefined ? "–" : text(value)
    })
  }

  useEffect(() => {
    const element = box.current!
    const make = () => {
      plot.current?.destroy()
      const options = optionsOf(latest.current, element.clientWidth)
      plot.current = new uPlot(
        { ...options, hooks: { setCursor: [showValues] } },
        dataOf(latest.current),
        element
      )
    }
    make()
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: plotHeight })
    )
    resized.observe(element)
    const scheme = matchMedia("(prefers-color-scheme: dark)")
    scheme.addEventListener("change", make)
    return () => {
      resized.disconnect()
      scheme.removeEventListener("change", make)
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [])

  useEffect(() => {
    plot.current?.setData(dataOf(props))
    showValues()
  }, [version])

  return (
    <section class="panel plot" aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        <div class="legend" ref={legend}>
          {lines.map((line) => (
            <span key={line.label}>
              <i style={{ background: `var(${line.color})` }} />
              {line.label} <b>–</b>
            </span>
          ))}
        </div>
      </header>
      <div class="canvas" ref={box} role="img" aria-label={`${title}, last five minutes`} />
    </section>
  )
}

const dataOf = ({ state, valuesOf }: PlotProps): uPlot.AlignedData =>
  [state.samples.time, ...valuesOf(state)] as unknown as uPlot.AlignedData

/** Both plots. */
export const Plots = ({ state, version }: Pick<PlotProps, "state" | "version">) => (
  <div class="plots">
    <Plot
      title="Records a second"
      lines={[{ label: "received", color: "--rate", isFilled: true }]}
      valuesOf={({ samples }) => [samples.rate]}
      text={brief}
      marks={countMarks}
      leastTop={10}
      state={state}
      version={version}
    />
    <Plot
      title="Acknowledgement latency"
      lines={[
        { label: "median", color: "--median" },
        { label: "p99", color: "--tail" }
      ]}
      valuesOf={({ samples }) => [samples.p50, samples.p99]}
      text={latency}
      marks={latencyMarks}
      leastTop={10}
      state={state}
      version={version}
    />
  </div>
)
