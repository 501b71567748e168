export { type Condition, type ConditionSubject, parseCondition } from './condition.ts'
export { type DetectedBackend, type DetectedModel, simulatedModels } from './detected.ts'
export { type EmbeddingCaps, embeddingCapsOf } from './families/embedding-caps.ts'
export {
  familyOf,
  type ProviderFamily,
  type ProviderQuirks,
} from './families/index.ts'
export { type Fault, formatFault } from './fault.ts'
export type { ReadInclude, SourceFile } from './include.ts'
export * from './inferq-config.ts'
export { maskConfig } from './mask.ts'
export type { OverlayRow } from './overlay.ts'
export { type ConfigInput, type ConfigResult, configFromBackends, parseConfig } from './parse-config.ts'
export { isTenantName, weightOf } from './shares-section.ts'
export { normalBaseUrl, ollamaBaseUrl, openaiBaseUrl, vllmBaseUrl } from './upstream.ts'
