-- Takes a session over: raises its generation, unless the one who asks is not its owner or shows an outdated token.
-- KEYS: the session. ARGV: now, tenant, user, device, session, hash presented, hash of the successor, end of its grace.
-- Returns the new generation and the cursor, or nothing.
local stored = redis.call('HMGET', KEYS[1],
    'expires_at', 'tenant', 'user', 'device', 'secret_hash', 'previous_hash', 'previous_until', 'cursor')
local now = tonumber(ARGV[1])
if not stored[1] or tonumber(stored[1]) <= now then
    return false
end
if stored[2] ~= ARGV[2] or stored[3] ~= ARGV[3] or stored[4] ~= ARGV[4] then
    return false
end
local grace_ends
if stored[5] == ARGV[6] then
    grace_ends = ARGV[8]
elseif stored[6] == ARGV[6] and now < tonumber(stored[7]) then
    grace_ends = stored[7]
else
    return false
end
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'session', ARGV[5], 'secret_hash', ARGV[7],
    'previous_hash', ARGV[6], 'previous_until', grace_ends)
return {generation, stored[8]}
