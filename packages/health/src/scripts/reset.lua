-- Closes a circuit, whatever is known of the deployment, and forgets its calls.
-- KEYS[1] the circuits, KEYS[2] the deployment's calls by time
-- ARGV[1] deployment, ARGV[2] channel of changes
-- Returns { 'closed' when it was not, else '', version, now, '' }.
local circuit = load(KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return save(KEYS[1], ARGV[2], ARGV[1], { failures = 0 }, nowMs(), circuit.retryAt and 'closed' or '')
