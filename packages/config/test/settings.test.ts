import { describe, expect, it } from 'vitest'
import { weightOf } from '../src/index.ts'
import { faultsOf, load } from './support.ts'

describe('the breaker', () => {
  it('has defaults', () => {
    expect(load('').breaker).toEqual({
      ...{ allowedFails: 3, cooldownSeconds: 60, failureRate: 0.5, minCalls: 20, windowSeconds: 60, enabled: true },
    })
  })

  it('hears the section first, then the router, then litellm_settings', () => {
    const litellm = 'litellm_settings: {allowed_fails: 7, cooldown_time: 7}\n'
    const router = 'router_settings: {allowed_fails: 8, disable_cooldowns: true}\n'
    const own = 'breaker: {allowed_fails: 9, enabled: true, failure_rate: 0.1, min_calls: 2, window_s: 5}\n'
    expect(load(litellm).breaker).toMatchObject({ allowedFails: 7, cooldownSeconds: 7, enabled: true })
    expect(load(litellm + router).breaker).toMatchObject({ allowedFails: 8, cooldownSeconds: 7, enabled: false })
    expect(load(litellm + router + own).breaker).toEqual({
      ...{ allowedFails: 9, cooldownSeconds: 7, failureRate: 0.1, minCalls: 2, windowSeconds: 5, enabled: true },
    })
  })

  it('opens at the first failure where LiteLLM allows none', () => {
    expect(load('router_settings: {allowed_fails: 0}').breaker.allowedFails).toBe(1)
  })
})

describe('retries', () => {
  it('are counted by LiteLLM, attempts by us', () => {
    const config = load(`router_settings:
  num_retries: 1
  retry_after: 3
  retry_policy: {TimeoutErrorRetries: 0, RateLimitErrorRetries: 4, ContentPolicyViolationErrorRetries: 2, InternalServerErrorRetries: 1, AuthenticationErrorRetries: 0, BadRequestErrorRetries: 3}`)
    expect(config.workers.maxAttempts).toBe(2)
    expect(config.retries).toEqual({
      attempts: { timeout: 1, rate_limit: 5, content_policy: 3, server: 2, authentication: 1, bad_request: 4 },
      minWaitSeconds: 3,
    })
    expect(load('').retries).toEqual({ attempts: {}, minWaitSeconds: 0 })
  })
})

describe('health checks', () => {
  it('are set in LiteLLM’s way or our own', () => {
    expect(load('').healthChecks).toEqual({ background: false, intervalSeconds: 300, timeoutSeconds: 10 })
    const general = 'general_settings: {background_health_checks: true, health_check_interval: 30}\n'
    expect(load(general).healthChecks).toEqual({ background: true, intervalSeconds: 30, timeoutSeconds: 10 })
    expect(load(`${general}health_checks: {interval_s: 5, timeout_s: 2}`).healthChecks).toEqual({
      ...{ background: true, intervalSeconds: 5, timeoutSeconds: 2 },
    })
  })
})

describe('sections that nothing acts on yet', () => {
  it.each([
    'cache: {type: redis, ttl: 1h, key: "user_id + prompt_hash", semantic: {threshold: 0.9, model: embed}}',
    'caching: {enabled: true, ttl: 3600, key_generation: x}',
    'cache: true',
    'rate_limits: [{model: a, rpm: 5}, {per: user, tpm: 100}]',
    'budget_limits: [{user_id: u, monthly_limit: 100.00, currency: USD}, {team: t, max_budget: 5, budget_duration: 30d}]',
  ])('are accepted and told: %s', (text) => {
    expect(load(text).unused).toEqual([`${text.split(':')[0]} (inferq.yaml:1)`])
  })

  it.each<[string, RegExp]>([
    ['cache: {type: redis, tll: 5}', /cache\.tll: found an unknown key; .*did you mean "ttl"\?/],
    ['cache: {semantic: {threshold: 2}}', /threshold: found 2; expected a number of at least 0 and at most 1/],
    ['cache: {password: os.environ/NOPE}', /cache\.password: found a reference to the environment variable NOPE/],
    ['rate_limits: [{model: a}]', /rate_limits\[0\]: found no limit; expected one of rpm/],
    ['rate_limits: [{model: a, rpm: many}]', /rpm: found "many"/],
    ['rate_limits: {model: a, rpm: 1}', /expected a list/],
    ['budget_limits: [{team: t}]', /found no budget/],
    ['budget_limits: [{team: t, daily_limit: 5, currency: EUR}]', /currency: found "EUR"/],
    ['litellm_settings: {rate_limit: {rmp: 5}}', /did you mean "rpm"\?/],
    ['litellm_settings: {cache: perhaps}', /expected true or false/],
    ['litellm_settings: {success_callback: {a: b}}', /expected a list/],
  ])('are refused when their form is wrong: %s', (text, fault) => {
    expect(faultsOf(text)[0]).toMatch(fault)
  })

  it('are not told of when they are off', () => {
    expect(load('litellm_settings: {cache: false}').unused).toEqual([])
  })
})

describe('settings', () => {
  it.each<[string, RegExp]>([
    ['breaker: {failure_rate: 2}', /at most 1/],
    ['breaker: {cooldown: 2}', /breaker\.cooldown: found an unknown key/],
    ['router_settings: {retry_policy: {TimeoutErorRetries: 1}}', /did you mean "TimeoutErrorRetries"\?/],
    ['router_settings: {max_fallbacks: -1}', /at least 0/],
    ['health_checks: {interval_s: 0}', /at least 1/],
  ])('are refused: %s', (text, fault) => {
    expect(faultsOf(text)[0]).toMatch(fault)
  })

  it('that ask for what inferq always does are not called unused', () => {
    const router =
      'router_settings: {enable_pre_call_checks: true, enable_tag_filtering: true, tag_filtering_match_any: true}'
    const config = load(`${router}\ngeneral_settings: {store_model_in_db: true}`)
    expect(config.unused).toEqual([])
    expect(config.routing.tagFiltering).toBe(true)
    expect(load('router_settings: {enable_pre_call_checks: false}').unused).toHaveLength(1)
  })
})

describe('shares', () => {
  it('are equal, unless it is said', () => {
    expect(load('').shares).toEqual({ defaultWeight: 1, tenantWeights: {} })
    const { shares } = load('shares: {default_weight: 0.5, tenants: {acme: 3, "team:a/b": "0.25", __proto__: 7}}')
    expect(shares.defaultWeight).toBe(0.5)
    expect(Object.entries(shares.tenantWeights)).toEqual([
      ['acme', 3],
      ['team:a/b', 0.25],
      ['__proto__', 7],
    ])
    const weights = ['acme', 'team:a/b', '__proto__', 'nobody', 'constructor'].map((name) => weightOf(shares, name))
    expect(weights).toEqual([3, 0.25, 7, 0.5, 0.5])
  })

  it('change what a process serves by', () => {
    expect(load('shares: {tenants: {acme: 3}}').fingerprint).not.toBe(load('').fingerprint)
  })

  it.each([
    ['shares: {default_weight: 0}', 'f:1: shares.default_weight: found 0; expected a number above 0 and at most 1000'],
    ['shares: {tenants: {acme: 1001}}', 'f:1: shares.tenants.acme: found 1001; expected a number above 0'],
    ['shares:\n  tenants:\n    acme: heavy', 'f:3: shares.tenants.acme: found "heavy"'],
    ['shares: {tenants: {"a b": 1}}', 'found the tenant "a b"; expected 1 to 128 visible ASCII characters'],
    ['shares: {tenants: [acme]}', 'shares.tenants: found a list of 1; expected keys with values'],
    ['shares: {tenant: {acme: 1}}', 'did you mean "tenants"?'],
  ])('are a fault in %s', (text, message) => {
    const faults = faultsOf(text)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(message)
  })
})

describe('webhooks', () => {
  it('go nowhere private unless it is said', () => {
    expect(load('').webhooks).toEqual({ allowPrivate: false, ports: [], timeoutSeconds: 15, maxAttempts: 8 })
    expect(
      load('webhooks: {allow_private: true, timeout_s: 3.5, max_attempts: 2, ports: [443, "8443"]}').webhooks,
    ).toEqual({
      ...{ allowPrivate: true, ports: [443, 8443], timeoutSeconds: 3.5, maxAttempts: 2 },
    })
    const networks = ['10.0.0.0/8', 'fd00::/8', '127.0.0.1/32', '::/0']
    expect(
      load(`webhooks: {allow_private: [${networks.map((network) => `"${network}"`).join(', ')}]}`).webhooks,
    ).toMatchObject({
      allowPrivate: networks,
    })
  })

  it.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', 'example.com/8', '10.0.0/8', 'fe80::1%eth0/64', '10.0.0.0/-1'])(
    'know no network %s',
    (network) => {
      const [fault] = faultsOf(`webhooks: {allow_private: ["10.0.0.0/8", "${network}"]}`)
      expect(fault).toContain('webhooks.allow_private[1]')
      expect(fault).toContain('a network such as 10.0.0.0/8')
    },
  )

  it.each([
    ['webhooks: {allow_private: sometimes}', /allow_private.*true or false/],
    ['webhooks: {ports: [0]}', /ports\[0\]/],
    ['webhooks: {timeout_s: 0}', /timeout_s/],
    ['webhooks: {max_attempts: 21}', /max_attempts/],
    ['webhooks: {allow_privat: true}', /did you mean "allow_private"/],
  ])('are checked: %s', (text, fault) => {
    expect(faultsOf(text).join('\n')).toMatch(fault)
  })
})
