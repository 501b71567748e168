import type { Deployment, InferqConfig, ModelEntry, RoutingConfig, RoutingRule } from '@inferq/config'

/** A deployment as the tests see it: `model`, and what matters to the test. */
export type DeploymentSketch = Partial<Deployment> & { readonly model: string }

/** The value that config makes of a file, without a file: these tests are about decisions, not about spelling. */
export function configOf(
  deployments: readonly DeploymentSketch[],
  routing: Partial<Omit<RoutingConfig, 'rules' | 'fallbacks'>> & {
    readonly rules?: readonly RuleSketch[]
    readonly fallbacks?: Partial<RoutingConfig['fallbacks']>
  } = {},
): InferqConfig {
  const all = deployments.map(deploymentOf)
  const models: ModelEntry[] = [...new Set(all.map(({ model }) => model))].map((name) => ({
    name,
    deployments: all.filter(({ model }) => model === name),
  }))
  const config: Partial<InferqConfig> = {
    deployments: all,
    models,
    routing: {
      strategy: 'simple-shuffle',
      hybridWeights: { cost: 1, latency: 1, load: 1 },
      aliases: {},
      maxFallbacks: 5,
      tagFiltering: false,
      ...routing,
      rules: (routing.rules ?? []).map((rule, index) => ({
        id: `routing[${index}]`,
        place: `f:${index + 1}`,
        when: {},
        ...rule,
      })),
      fallbacks: { any: {}, contextWindow: {}, contentPolicy: {}, otherwise: [], ...routing.fallbacks },
    },
  }
  // A router reads nothing else of a configuration.
  return config as InferqConfig
}

export type RuleSketch = Partial<RoutingRule> & Pick<RoutingRule, 'to'>

function deploymentOf(sketch: DeploymentSketch, index: number): Deployment {
  return {
    id: `${sketch.model}#${index}`,
    provider: 'openai',
    wire: 'openai',
    upstreamModel: sketch.model,
    baseUrl: 'http://127.0.0.1:1/v1',
    credentials: {},
    class: sketch.provider ?? 'openai',
    weight: 1,
    defaults: {},
    timeouts: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 },
    options: {},
    headers: {},
    simulated: false,
    tags: [],
    limits: {},
    capabilities: {},
    info: {},
    source: 'file',
    ...sketch,
  }
}
