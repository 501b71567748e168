-- Adds up what one process has done in a class, and tells what all of them have.
-- KEYS[1] the class's clock and the ends of its flows, KEYS[2] when each flow changed last
-- ARGV[1] highest tag started, ARGV[2] 1: forget flows that the clock has passed,
-- ARGV[3] jobs that ended, ARGV[4] their time in seconds,
-- ARGV[5] the version of the flows that the process knows (0: none), then for each flow: name, floor (empty: none), charge
-- Returns { clock, base, mean seconds of a job (empty: not known), version, end of each flow …, then name and end of each
-- flow that others have changed since … } as text.
local key, changes = KEYS[1], KEYS[2]
-- Without a sign of life for so long a class is forgotten.
local keptMs = 604800000
-- In s. Whoever uses a class hears of a change long before.
local changeKept = 10

local function number(field, otherwise)
  return tonumber(redis.call('HGET', key, field) or '') or otherwise
end
local function text(value)
  return string.format('%.17g', value)
end

local clock = math.max(number('clock', 0), tonumber(ARGV[1]))
redis.call('HSET', key, 'clock', text(clock))

local ended, seconds = number('ended', 0), number('seconds', 0)
if tonumber(ARGV[3]) > 0 then
  -- What is long ago counts less: at most about a hundred jobs are remembered.
  local weight = math.min(1, 100 / (ended + tonumber(ARGV[3])))
  ended = (ended + tonumber(ARGV[3])) * weight
  seconds = (seconds + tonumber(ARGV[4])) * weight
  redis.call('HSET', key, 'ended', text(ended), 'seconds', text(seconds))
end

local before, seen = number('version', 0), tonumber(ARGV[5])
if seen > before then
  -- Redis has lost what it told.
  seen = 0
end
local version = before
if #ARGV > 5 then
  version = redis.call('HINCRBY', key, 'version', 1)
end

local reply = { text(clock), text(number('base', 0)), ended > 0 and text(seconds / ended) or '', text(version) }
for i = 6, #ARGV, 3 do
  local field, floor, charge = 'f:' .. ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local known = number(field, 0)
  local flowEnd = math.max(known, floor or 0)
  if floor or flowEnd > clock or charge > 0 then
    flowEnd = math.max(flowEnd, floor and 0 or clock) + charge
  end
  if flowEnd > clock then
    redis.call('HSET', key, field, text(flowEnd))
  else
    redis.call('HDEL', key, field)
  end
  redis.call('ZADD', changes, version, field)
  reply[#reply + 1] = text(flowEnd)
end
for _, field in ipairs(redis.call('ZRANGEBYSCORE', changes, '(' .. text(seen), text(before))) do
  reply[#reply + 1] = string.sub(field, 3)
  reply[#reply + 1] = text(number(field, 0))
end

if ARGV[2] == '1' then
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'f:' and tonumber(fields[i + 1]) <= clock then
      redis.call('HDEL', key, fields[i])
    end
  end
  local now = tonumber(redis.call('TIME')[1])
  if now - number('swept_at', 0) >= changeKept then
    for _, field in ipairs(redis.call('ZRANGEBYSCORE', changes, '-inf', text(number('swept_to', 0)))) do
      if redis.call('HEXISTS', key, field) == 0 then
        redis.call('ZREM', changes, field)
      end
    end
    redis.call('HSET', key, 'swept_at', text(now), 'swept_to', text(version))
  end
end
redis.call('PEXPIRE', key, keptMs)
redis.call('PEXPIRE', changes, keptMs)
return reply
