-- Reads every circuit. Those that nobody called for a while are forgotten: their deployments may be gone.
-- KEYS[1] the circuits
-- ARGV[1] how long a circuit is kept after its last change or the end of its cooldown (ms)
-- Returns { version, now, id, `<version> <JSON>`, … }.
local now = nowMs()
local reply = { tonumber(redis.call('HGET', KEYS[1], '') or 0), now }
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if fields[i] ~= '' then
    local circuit = cjson.decode(string.match(fields[i + 1], '^%d+ (.*)$'))
    if math.max(circuit.retryAt or 0, circuit.at) + tonumber(ARGV[1]) < now then
      redis.call('HDEL', KEYS[1], fields[i])
    else
      reply[#reply + 1] = fields[i]
      reply[#reply + 1] = fields[i + 1]
    end
  end
end
return reply
