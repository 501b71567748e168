import type { ErrorDetail } from '@inferq/contracts'
import type { Admission, DeploymentHealth } from '@inferq/health'

/** The same health, and `onFailed` hears of every call that failed, as soon as it has. */
export function watchCalls(
  health: DeploymentHealth,
  onFailed: (deployment: string, error: ErrorDetail) => void,
): DeploymentHealth {
  const watched = (id: string, admission: Admission): Admission => {
    if (admission.kind !== 'admitted') return admission
    const { call } = admission
    return {
      ...admission,
      call: {
        ...call,
        failed(error) {
          call.failed(error)
          onFailed(id, error)
        },
      },
    }
  }
  return {
    ...health,
    admit(id, isAlone) {
      const admission = health.admit(id, isAlone)
      return admission instanceof Promise ? admission.then((one) => watched(id, one)) : watched(id, admission)
    },
  }
}
