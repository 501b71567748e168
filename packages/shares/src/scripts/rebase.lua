-- Moves the base of a class's numbers, unless another process has done so.
-- KEYS[1] as in sync.lua, ARGV[1] the base as it was seen, ARGV[2] the new one
-- Returns the base in force.
local base = redis.call('HGET', KEYS[1], 'base') or '0'
if tonumber(base) ~= tonumber(ARGV[1]) then
  return base
end
redis.call('HSET', KEYS[1], 'base', ARGV[2])
return ARGV[2]
