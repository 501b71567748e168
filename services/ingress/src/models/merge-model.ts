import type { PatchModelRequest } from '@inferq/contracts'
import type { OverlayModel } from '@inferq/liveconfig'
import { mask } from './mask-params.ts'

type Values = Readonly<Record<string, unknown>>

/** The model with a patch over it: what the patch leaves out, or gives back masked, stays; null takes a value away. */
export function mergeModel(model: OverlayModel, patch: PatchModelRequest): OverlayModel {
  return {
    id: model.id,
    modelName: patch.model_name ?? model.modelName,
    litellmParams: merge(model.litellmParams, patch.litellm_params ?? {}),
    modelInfo: plainInfo(merge(model.modelInfo, patch.model_info ?? {})),
  }
}

/** `model_info` without what is not kept there, though answers show it there. */
export function plainInfo({ id: _id, db_model: _databaseModel, ...info }: Values): Values {
  return info
}

function merge(before: Values, patch: Values): Values {
  const merged: Record<string, unknown> = { ...before }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else if (!isMasked(value)) merged[name] = value
  }
  return merged
}

function isMasked(value: unknown): boolean {
  if (typeof value === 'string') return value === mask
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const parts = Object.values(value)
  return parts.length > 0 && parts.every(isMasked)
}
