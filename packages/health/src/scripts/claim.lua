-- Asks for the probe of a half-open circuit, or of an open one that nobody else may serve, or says that it is still under way. One call has it at a time; the claim of
-- one that says nothing more lapses.
-- KEYS[1] the circuits
-- ARGV[1] deployment, ARGV[2] channel of changes, ARGV[3] the call's token, ARGV[4] the claim's lifetime (ms),
--   ARGV[5] 1: nobody else may serve it
-- Returns { 'probe' | 'renewed' | 'taken' | 'open' | 'closed', version, now, JSON }.
local id = ARGV[1]
local now = nowMs()
local circuit, text = load(KEYS[1], id)
if not circuit.retryAt then
  return unchanged(KEYS[1], text, now, 'closed')
end
local mayFrom = ARGV[5] == '1' and circuit.probeAt or circuit.retryAt
if now < mayFrom then
  return unchanged(KEYS[1], text, now, 'open')
end
local verdict = circuit.probe == ARGV[3] and 'renewed' or 'probe'
if verdict == 'probe' and circuit.probe and now < circuit.probeUntil then
  return unchanged(KEYS[1], text, now, 'taken')
end
circuit.probe = ARGV[3]
circuit.probeUntil = now + tonumber(ARGV[4])
return save(KEYS[1], ARGV[2], id, circuit, now, verdict)
