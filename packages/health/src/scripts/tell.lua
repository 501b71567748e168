-- Takes what a process has seen of a deployment and moves its circuit on: the one place that decides about it.
-- KEYS[1] the circuits, KEYS[2] the deployment's calls by time
-- ARGV[1] deployment, ARGV[2] channel of changes
-- the rule: ARGV[3] consecutive failures that open, ARGV[4] cooldown (ms), ARGV[5] share of failures that opens,
--   ARGV[6] least calls for that, ARGV[7] window (ms)
-- what was seen: ARGV[8] calls that ended, ARGV[9] failures among them, ARGV[10] 1: a success that came after known
--   failures, ARGV[11] consecutive failures since, ARGV[12] code of the last failure,
--   ARGV[13] leave it alone for this long (ms; 0: not said), ARGV[14] by which code,
--   ARGV[15] token of the probe that ended (empty: none), ARGV[16] succeeded, failed or released
-- the pace of probes of those with nowhere else to go: ARGV[17] after the opening, ARGV[18] at most (ms)
-- Returns { 'opened' | 'closed' | '', version, now, JSON }.
local id, channel = ARGV[1], ARGV[2]
local calls, failures, streak = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[11])
local waitMs = tonumber(ARGV[13])
local now = nowMs()
local circuit, text = load(KEYS[1], id)
local verdict = ''
local changed = false

local function open(forMs, probeInMs, reason)
  if not circuit.retryAt or circuit.retryAt <= now then
    verdict = 'opened'
  end
  circuit.retryAt = now + forMs
  circuit.probeAt = now + math.min(probeInMs, forMs)
  circuit.reason = reason
  circuit.probe = nil
  circuit.probeUntil = nil
  changed = true
end

local function nextProbeMs()
  local doubled = tonumber(ARGV[17]) * 2 ^ math.min(circuit.failedProbes or 0, 20)
  return math.min(doubled, tonumber(ARGV[18]))
end

-- Each opening after a failed probe lasts twice as long as the one before: up to ten cooldowns, but no longer than
-- five minutes, or one cooldown where that is more.
local function openByFailures()
  local cooldownMs = tonumber(ARGV[4])
  circuit.openings = (circuit.openings or 0) + 1
  local grown = math.min(cooldownMs * 2 ^ math.min(circuit.openings - 1, 10), cooldownMs * 10)
  open(math.min(grown, math.max(cooldownMs, 300000)), nextProbeMs(), ARGV[12])
end

-- A probe before its cooldown was over leaves that as it is: only those with nowhere else to go try again.
local function probeFailed()
  circuit.failedProbes = (circuit.failedProbes or 0) + 1
  if circuit.retryAt <= now then
    openByFailures()
  else
    open(circuit.retryAt - now, nextProbeMs(), ARGV[12])
    verdict = 'opened'
  end
end

-- Calls within the window, and failures among them; drops what is older.
local function sumWindow()
  local all, failed = 0, 0
  local counts = redis.call('HGETALL', KEYS[2])
  for i = 1, #counts, 2 do
    local at = tonumber(string.sub(counts[i], 2))
    if at <= now - tonumber(ARGV[7]) then
      redis.call('HDEL', KEYS[2], counts[i])
    elseif string.sub(counts[i], 1, 1) == 'f' then
      failed = failed + tonumber(counts[i + 1])
    else
      all = all + tonumber(counts[i + 1])
    end
  end
  return all, failed
end

local function isRateTooHigh()
  local all, failed = sumWindow()
  return all > 0 and all >= tonumber(ARGV[6]) and failed / all >= tonumber(ARGV[5])
end

local function count()
  local bucketMs = math.max(1, math.floor(tonumber(ARGV[7]) / 10))
  local bucket = string.format('%.0f', now - now % bucketMs)
  redis.call('HINCRBY', KEYS[2], 'c' .. bucket, calls)
  if failures > 0 then
    redis.call('HINCRBY', KEYS[2], 'f' .. bucket, failures)
  end
  redis.call('PEXPIRE', KEYS[2], math.max(1, math.floor(tonumber(ARGV[7]) * 2)))
end

-- 1. The probe decides about a circuit that is not closed; calls let in before it opened say nothing more.
if ARGV[15] ~= '' and circuit.probe == ARGV[15] then
  if ARGV[16] == 'succeeded' then
    circuit = { failures = 0 }
    redis.call('DEL', KEYS[2])
    verdict = 'closed'
    changed = true
  elseif ARGV[16] == 'failed' then
    probeFailed()
  else
    circuit.probe = nil
    circuit.probeUntil = nil
    changed = true
  end
end

-- 2. A closed one is judged by its failures. A tally of nothing but calls ends here.
if not circuit.retryAt and calls > 0 then
  count()
  local before = circuit.failures
  if ARGV[10] == '1' then
    circuit.failures = 0
  end
  circuit.failures = circuit.failures + streak
  changed = changed or circuit.failures ~= before
  if failures > 0 and ((streak > 0 and circuit.failures >= tonumber(ARGV[3])) or isRateTooHigh()) then
    openByFailures()
  elseif redis.call('HLEN', KEYS[2]) > 50 then
    sumWindow()
  end
end

-- 3. A deployment that says for how long it is to be left alone is.
if waitMs > 0 and (circuit.retryAt or 0) < now + waitMs then
  open(waitMs, waitMs, ARGV[14])
elseif waitMs > 0 and (circuit.probeAt or circuit.retryAt) < now + waitMs then
  circuit.probeAt = now + waitMs
  changed = true
end

if not changed then
  return unchanged(KEYS[1], text, now, '')
end
return save(KEYS[1], channel, id, circuit, now, verdict)
