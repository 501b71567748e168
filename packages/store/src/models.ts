import type { Database } from './database.ts'
import { cleanText, jsonbText } from './postgres-text.ts'
import type { Store } from './store.ts'

/** A model added at run time. What is secret of it is sealed by the application. */
export interface StoredModel {
  readonly id: string
  readonly modelName: string
  readonly sealedParams: string
  readonly modelInfo: Readonly<Record<string, unknown>>
  readonly createdBy: string
  /** ms since the epoch */
  readonly createdAt: number
  readonly updatedAt: number
}

export interface StoredModels {
  /** Higher by one with each change; 0: there has never been any. */
  readonly version: number
  /** In the order they were added. */
  readonly models: readonly StoredModel[]
}

export type NewModel = Omit<StoredModel, 'createdAt' | 'updatedAt'>

/** Every change and the version it makes are one statement. See the migration for why the version is a row. */
export function createModelTable(
  database: Database,
): Pick<Store, 'insertModel' | 'updateModel' | 'deleteModel' | 'listModels'> {
  return {
    async insertModel(model) {
      const [row] = await database.run<{ readonly inserted: boolean }>({
        name: 'insert-model',
        // Sealed values differ with each sealing: an equal one is this very call, sent again.
        text: `
          with added as (
            insert into models (id, model_name, sealed_params, model_info, created_by) values ($1, $2, $3, $4::jsonb, $5)
            on conflict (id) do nothing
            returning id
          ), ${bump('added')}
          select exists (select 1 from added) or exists (select 1 from models where id = $1 and sealed_params = $3) as inserted`,
        values: [...valuesOf(model), cleanText(model.createdBy)],
      })
      return row?.inserted === true
    },

    async updateModel(model) {
      const rows = await database.run({
        name: 'update-model',
        text: `
          with changed as (
            update models set model_name = $2, sealed_params = $3, model_info = $4::jsonb, updated_at = now()
            where id = $1
            returning id
          ), ${bump('changed')}
          select id from changed`,
        values: valuesOf(model),
      })
      return rows.length > 0
    },

    async deleteModel(id) {
      const rows = await database.run({
        name: 'delete-model',
        text: `
          with deleted as (
            delete from models where id = $1 returning id
          ), ${bump('deleted')}
          select id from deleted`,
        values: [cleanText(id)],
      })
      return rows.length > 0
    },

    async listModels() {
      const rows = await database.run<VersionedRow>({
        name: 'list-models',
        text: `
          select version, id, model_name, sealed_params, model_info, created_by, created_at, updated_at
          from models_version left join models on true
          order by created_at, id`,
      })
      return { version: rows[0]?.version ?? 0, models: rows.flatMap(toModel) }
    },
  }
}

/** The version goes up when the change named here changed something. */
function bump(change: string): string {
  return `bumped as (update models_version set version = version + 1 where exists (select 1 from ${change}))`
}

function valuesOf({ id, modelName, sealedParams, modelInfo }: Omit<NewModel, 'createdBy'>): unknown[] {
  return [cleanText(id), cleanText(modelName), sealedParams, jsonbText(modelInfo)]
}

interface VersionedRow {
  readonly version: number
  /** Null: there is no model. */
  readonly id: string | null
  readonly model_name: string
  readonly sealed_params: string
  readonly model_info: Readonly<Record<string, unknown>>
  readonly created_by: string
  readonly created_at: Date
  readonly updated_at: Date
}

function toModel(row: VersionedRow): readonly StoredModel[] {
  if (row.id === null) return []
  return [
    {
      id: row.id,
      modelName: row.model_name,
      sealedParams: row.sealed_params,
      modelInfo: row.model_info,
      createdBy: row.created_by,
      createdAt: row.created_at.getTime(),
      updatedAt: row.updated_at.getTime(),
    },
  ]
}
