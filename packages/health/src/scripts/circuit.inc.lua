-- What the scripts share. Time is Redis's: the one clock that all processes have in common.
--
-- A circuit is a field of the hash of them all: `<version> <JSON>`, absent when it is closed and no failure is known.
--   failures     consecutive ones
--   at           of the last change (ms)
-- and, only while it is not closed:
--   retryAt      open before it, half open after it (ms)
--   reason       an error code
--   probeAt      from then on a call that has nowhere else to go may probe (ms), at the latest from retryAt on
--   openings     openings by failures since it was closed
--   failedProbes since it was closed
--   probe        token of the call that probes, and probeUntil (ms), when its claim lapses
-- The empty field counts the versions.

local function nowMs()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Returns the circuit and the text it was made of.
local function load(circuits, id)
  local text = redis.call('HGET', circuits, id)
  if not text then
    return { failures = 0, at = 0 }, ''
  end
  return cjson.decode(string.match(text, '^%d+ (.*)$')), text
end

-- Writes a circuit and tells everyone: `version \n JSON \n id`, with empty JSON for none.
-- Returns { verdict, version, now, JSON }.
local function save(circuits, channel, id, circuit, now, verdict)
  local version = redis.call('HINCRBY', circuits, '', 1)
  local json = ''
  if circuit.retryAt or circuit.failures > 0 then
    circuit.at = now
    json = cjson.encode(circuit)
    redis.call('HSET', circuits, id, version .. ' ' .. json)
  else
    redis.call('HDEL', circuits, id)
  end
  redis.call('PUBLISH', channel, version .. '\n' .. json .. '\n' .. id)
  return { verdict, version, now, json }
end

-- The answer when nothing changed: as of the latest version of all.
local function unchanged(circuits, text, now, verdict)
  local version = tonumber(redis.call('HGET', circuits, '') or 0)
  return { verdict, version, now, text == '' and '' or string.match(text, '^%d+ (.*)$') }
end
