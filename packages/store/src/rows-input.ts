import { arrayParameter, type ColumnType } from './array-parameter.ts'

export type ColumnTypes<Row> = { readonly [Column in keyof Row]: ColumnType }

export interface RowsInput {
  /** For a `from` clause: the rows under the name `input`, or another. Takes the parameters from `firstParameter` on. */
  readonly from: string
  readonly values: readonly unknown[]
}

/**
 * Rows as one array for each column: one statement, planned once, for any number of rows. Cheaper for the server than
 * one JSON document, and than VALUES, which also ends at 65,535 parameters; see the README. JSON and times travel as text
 * and milliseconds, and are converted in the statement. A column in which all rows have the same goes as that one value:
 * half of what there is of a batch of jobs, and each array less is 0.3 µs a row for the server. The first column is always
 * an array, in the first parameter.
 */
export function rowsInput<Row extends object>(
  types: ColumnTypes<Row>,
  rows: readonly Row[],
  { name = 'input', firstParameter = 1 }: { readonly name?: string; readonly firstParameter?: number } = {},
): RowsInput {
  const columns = Object.keys(types) as (keyof Row & string)[]
  const arrays: string[] = []
  const unnested: string[] = []
  const same: string[] = []
  const values: unknown[] = []
  const bind = (value: unknown, type: string): string => `$${firstParameter - 1 + values.push(value)}::${type}`
  for (const [index, column] of columns.entries()) {
    const type = types[column]
    const items = rows.map((row) => row[column])
    const [first] = items
    if (index > 0 && items.every((item) => item === first)) {
      same.push(`${bind(first ?? null, type)} as ${column}`)
      continue
    }
    arrays.push(bind(arrayParameter(type, items), `${type}[]`))
    unnested.push(column)
  }
  const table = `unnest(${arrays.join(', ')}) as ${name}_rows (${unnested.join(', ')})`
  return { from: `(select ${[...unnested, ...same].join(', ')} from ${table}) as ${name}`, values }
}

/** SQL for a time from a column or parameter that holds milliseconds since the epoch. */
export function toTimestamp(milliseconds: string): string {
  return `to_timestamp(${milliseconds} / 1000)`
}
