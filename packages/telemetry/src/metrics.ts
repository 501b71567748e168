import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client'

export interface Counter {
  /** Adds 1, or `by` ≥ 0. About 0.2 µs. */
  inc(by?: number): void
}

export interface Gauge {
  set(value: number): void
  inc(by?: number): void
  dec(by?: number): void
}

export interface Histogram {
  /** In the unit of the name: seconds for `_seconds`. */
  observe(value: number): void
}

/**
 * All series of one metric. `with` gives the series of these label values, made once: keep it where the values do not
 * change. Values beyond `maxSeries` combinations all land in one series labelled `other`, so that a label that turns
 * out unbounded costs detail, not memory.
 */
export interface Family<Series, Label extends string> {
  with(labels: Readonly<Record<Label, string>>): Series
  /** Forgets every series: for gauges written anew at each scrape. */
  clear(): void
}

export interface MetricDefinition<Label extends string> {
  /** Base units and their suffix: `inferq_…_seconds`, `…_total` for counters. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly Label[]
  /** Default 1,000. */
  readonly maxSeries?: number
}

/** A registry of its own for one process. */
export interface Metrics {
  counter<Label extends string = never>(definition: MetricDefinition<Label>): Family<Counter, Label>
  /** `collect` runs at each scrape, to set values known only by asking. */
  gauge<Label extends string = never>(
    definition: MetricDefinition<Label> & { readonly collect?: (family: Family<Gauge, Label>) => void | Promise<void> },
  ): Family<Gauge, Label>
  histogram<Label extends string = never>(
    definition: MetricDefinition<Label> & { readonly buckets: readonly number[] },
  ): Family<Histogram, Label>
  /** The page for Prometheus. */
  render(): Promise<string>
  /** The Content-Type of that page. */
  readonly contentType: string
}

/** Makes a registry; with Node's own metrics (event loop, memory, CPU) unless `nodeMetrics` is false. */
export function createMetrics(options: { readonly nodeMetrics?: boolean } = {}): Metrics {
  const registry = new Registry()
  if (options.nodeMetrics ?? true) collectDefaultMetrics({ register: registry })
  const base = <Label extends string>({ name, help, labels = [] }: MetricDefinition<Label>) => ({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
  })
  return {
    counter(definition) {
      const metric = new PromCounter<string>(base(definition))
      return createFamily(
        definition,
        (labels): Counter => metric.labels(labels),
        () => metric.reset(),
      )
    },
    gauge(definition) {
      const { collect } = definition
      const metric = new PromGauge<string>({
        ...base(definition),
        ...(collect ? { collect: () => collect(family) } : {}),
      })
      const family = createFamily(
        definition,
        (labels): Gauge => metric.labels(labels),
        () => metric.reset(),
      )
      return family
    },
    histogram(definition) {
      const metric = new PromHistogram<string>({ ...base(definition), buckets: [...definition.buckets] })
      return createFamily(
        definition,
        (labels): Histogram => metric.labels(labels),
        () => metric.reset(),
      )
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function createFamily<Series, Label extends string>(
  definition: MetricDefinition<Label>,
  make: (labels: Record<string, string>) => Series,
  reset: () => void,
): Family<Series, Label> {
  const { labels: names = [], maxSeries = 1_000 } = definition
  const series = new Map<string, Series>()
  const seriesOf = (labelValue: (name: Label) => string, key: string): Series => {
    const known = series.get(key)
    if (known !== undefined) return known
    const fresh = make(Object.fromEntries(names.map((name) => [name, labelValue(name)])))
    series.set(key, fresh)
    return fresh
  }
  return {
    with(labels) {
      let key = ''
      for (const name of names) key += `${labels[name]}\u0000`
      if (series.has(key) || series.size < maxSeries) return seriesOf((name) => labels[name], key)
      return seriesOf(() => 'other', 'other')
    },
    clear() {
      series.clear()
      reset()
    },
  }
}
