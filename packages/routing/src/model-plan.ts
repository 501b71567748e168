import type { Deployment, DeploymentMode, ModelEntry } from '@inferq/config'
import type { Candidate, Operation } from '@inferq/contracts'

/** What is known of a model before anyone asks for it. */
export interface ModelPlan {
  readonly entry: ModelEntry
  readonly isWildcard: boolean
  /** Absent: it does not answer that kind of request. */
  readonly chat: ModePlan | undefined
  readonly embedding: ModePlan | undefined
}

/** The deployments of a model that answer one kind of request. */
export interface ModePlan {
  /** In the order of the file; never empty. */
  readonly deployments: readonly Deployment[]
  /** Deployments of one `order`, lowest first, those without one last. */
  readonly levels: readonly Level[]
  /** Of the deployments whose context window is known; Infinity where none is. */
  readonly smallestWindow: number
}

export interface Level {
  readonly members: readonly Deployment[]
  /** In the order of the file. */
  readonly classes: readonly ClassMembers[]
}

export interface ClassMembers {
  readonly class: string
  readonly members: readonly Deployment[]
  /** All of them, of a model that is no wildcard: made once. */
  readonly candidate: Candidate
}

export function createModelPlan(entry: ModelEntry): ModelPlan {
  return {
    entry,
    isWildcard: entry.name.includes('*'),
    chat: planMode(entry, 'chat'),
    embedding: planMode(entry, 'embedding'),
  }
}

/** A summary is made of chats. */
export function modeOf(operation: Operation): DeploymentMode {
  return operation === 'embeddings' ? 'embedding' : 'chat'
}

/** In the order of the file. */
export function byClass(members: readonly Deployment[]): ReadonlyMap<string, readonly Deployment[]> {
  const classes = new Map<string, Deployment[]>()
  for (const deployment of members) {
    const list = classes.get(deployment.class)
    if (list === undefined) classes.set(deployment.class, [deployment])
    else list.push(deployment)
  }
  return classes
}

export function createCandidate(model: string, members: readonly Deployment[], name: string): Candidate {
  return { model, class: name, deployments: members.map(({ id }) => id) }
}

function planMode(entry: ModelEntry, mode: DeploymentMode): ModePlan | undefined {
  const deployments = entry.deployments.filter((deployment) => (deployment.mode ?? mode) === mode)
  if (deployments.length === 0) return undefined
  const orders = [...new Set(deployments.map(levelOf))].toSorted((a, b) => a - b)
  return {
    deployments,
    levels: orders.map((order) =>
      planLevel(
        entry,
        deployments.filter((deployment) => levelOf(deployment) === order),
      ),
    ),
    smallestWindow: Math.min(...deployments.map(({ contextWindow }) => contextWindow ?? Number.POSITIVE_INFINITY)),
  }
}

function planLevel(entry: ModelEntry, members: readonly Deployment[]): Level {
  const classes = [...byClass(members)].map(([name, inClass]) => ({
    class: name,
    members: inClass,
    candidate: createCandidate(entry.name, inClass, name),
  }))
  return { members, classes }
}

function levelOf(deployment: Deployment): number {
  return deployment.order ?? Number.POSITIVE_INFINITY
}
