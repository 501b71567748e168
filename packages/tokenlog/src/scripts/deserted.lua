-- Which jobs have nobody left who could read them: none of the ingresses that watch a job is subscribed to its channel.
-- (One Redis: on a cluster PUBSUB NUMSUB counts the subscribers of its node alone.)
-- KEYS the jobs' records
-- ARGV[1] channel prefix
-- Returns for each job its watching ingresses, comma separated, when all are gone; empty otherwise.
local here = {}
local replies = {}
for i, key in ipairs(KEYS) do
  local watch = redis.call('HGET', key, 'watch') or ''
  local deserted = watch ~= ''
  for ingress in string.gmatch(watch, '[^,]+') do
    if here[ingress] == nil then
      here[ingress] = redis.call('PUBSUB', 'NUMSUB', ARGV[1] .. ingress)[2] > 0
    end
    deserted = deserted and not here[ingress]
  end
  replies[i] = deserted and watch or ''
end
return replies
