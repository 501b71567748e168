-- Publishes a log entry to every watching ingress: `job \n id \n kind \n payload`.
local function publish(prefix, watch, job, id, kind, payload)
  if not watch or watch == '' then
    return
  end
  local message = job .. '\n' .. id .. '\n' .. kind .. '\n' .. payload
  for ingress in string.gmatch(watch, '[^,]+') do
    redis.call('PUBLISH', prefix .. ingress, message)
  end
end
