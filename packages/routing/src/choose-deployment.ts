import type { Deployment } from '@inferq/config'

type Choice = Pick<Deployment, 'id' | 'weight'>

/**
 * LiteLLM's simple-shuffle: one of the deployments at random, by weight.
 * `random` gives a number in [0, 1). `avoid`: ids that have just failed this job; they are taken only when nothing else
 * is left. Undefined when there is no deployment.
 */
export function chooseDeployment<T extends Choice>(
  deployments: readonly T[],
  random: () => number,
  avoid: readonly string[] = [],
): T | undefined {
  const fresh = avoid.length === 0 ? deployments : deployments.filter((deployment) => !avoid.includes(deployment.id))
  return weighted(fresh, random) ?? weighted(deployments, random)
}

function weighted<T extends Choice>(deployments: readonly T[], random: () => number): T | undefined {
  let total = 0
  for (const deployment of deployments) total += deployment.weight
  // Those of weight 0 are for when nothing else is left, and then all alike.
  if (total <= 0) return deployments[Math.floor(random() * deployments.length)]
  let rest = random() * total
  let last: T | undefined
  for (const deployment of deployments) {
    if (deployment.weight <= 0) continue
    last = deployment
    rest -= deployment.weight
    if (rest < 0) return deployment
  }
  return last
}
