-- Adds up what one process has done in a class, and tells what all of them have.
-- KEYS[1] the class's clock and the ends of its flows
-- ARGV[1] highest tag started, ARGV[2] 1: forget flows that the clock has passed,
-- ARGV[3] jobs that ended, ARGV[4] their time in seconds,
-- then for each flow: name, floor (empty: none), charge
-- Returns { clock, base, mean seconds of a job (empty: not known), end of each flow … } as text.
local key = KEYS[1]
-- Without a sign of life for so long a class is forgotten.
local keptMs = 604800000

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

local reply = { text(clock), text(number('base', 0)), ended > 0 and text(seconds / ended) or '' }
for i = 5, #ARGV, 3 do
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
  reply[#reply + 1] = text(flowEnd)
end

if ARGV[2] == '1' then
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'f:' and tonumber(fields[i + 1]) <= clock then
      redis.call('HDEL', key, fields[i])
    end
  end
end
redis.call('PEXPIRE', key, keptMs)
return reply
