/** PostgreSQL's type of each column of rows that travel to it. */
export type ColumnTypes<Row> = { readonly [Column in keyof Row]: 'text' | 'float8' | 'integer' | 'bigint' | 'boolean' }

export interface RowsInput {
  /** For a `from` clause: the rows under the name `input`, or another. Takes the parameters from `firstParameter` on. */
  readonly from: string
  readonly values: readonly unknown[]
}

/**
 * Rows as one array for each column: one statement, planned once, for any number of rows. Cheaper for the server than
 * one JSON document, and than VALUES, which also ends at 65,535 parameters; see the README. JSON and times travel as text
 * and milliseconds, and are converted in the statement.
 */
export function rowsInput<Row extends object>(
  types: ColumnTypes<Row>,
  rows: readonly Row[],
  { name = 'input', firstParameter = 1 }: { readonly name?: string; readonly firstParameter?: number } = {},
): RowsInput {
  const columns = Object.keys(types) as (keyof Row & string)[]
  const parameters = columns.map((column, index) => `$${index + firstParameter}::${types[column]}[]`)
  return {
    from: `unnest(${parameters.join(', ')}) as ${name} (${columns.join(', ')})`,
    values: columns.map((column) => rows.map((row) => row[column])),
  }
}

/** SQL for a time from a column or parameter that holds milliseconds since the epoch. */
export function toTimestamp(milliseconds: string): string {
  return `to_timestamp(${milliseconds} / 1000)`
}
