export { createLiveConfig, type LiveConfigOptions } from './create-live-config.ts'
export { createModelOverlay, type ModelOverlay, openOverlay, type SealedModel, type SealedOverlay } from './overlay.ts'
export type { CheckResult, LiveConfig, OverlayModel, ReloadResult } from './port.ts'
export { createSealer, type Opened, type Sealer } from './sealer.ts'
