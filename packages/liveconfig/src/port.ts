import type { ConfigResult, Fault, InferqConfig } from '@inferq/config'
import type { Service } from '@inferq/runtime'

/** The configuration this process runs on now. A Service: started, it hears of changes from all processes. */
export interface LiveConfig extends Service {
  current(): InferqConfig
  /** Called after each swap, in the order of registration. Returns how to stop being called. */
  onChange(listener: (config: InferqConfig, before: InferqConfig) => void): () => void
  /**
   * Reads file, environment and overlay again. A fault leaves everything as it is. Loads are one after the other.
   * `tell`: the other processes shall load again as well (only when this one could).
   */
  reload(options?: { readonly tell?: boolean }): Promise<ReloadResult>
  /** What a reload would give were these the models laid over the file. Changes nothing. */
  check(models: readonly OverlayModel[]): Promise<CheckResult>
}

export type ReloadResult =
  | { readonly kind: 'loaded'; readonly config: InferqConfig; readonly changed: boolean }
  | { readonly kind: 'invalid'; readonly faults: readonly Fault[] }
  | { readonly kind: 'unavailable'; readonly message: string }

export type CheckResult = ConfigResult | Extract<ReloadResult, { readonly kind: 'unavailable' }>

/** A model added at run time: one entry of `model_list`, as LiteLLM's `/model/new` takes it. Secrets in the clear. */
export interface OverlayModel {
  readonly id: string
  readonly modelName: string
  readonly litellmParams: Readonly<Record<string, unknown>>
  readonly modelInfo: Readonly<Record<string, unknown>>
}
