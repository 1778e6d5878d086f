-- Stores a session's state, unless a newer generation is stored.
-- KEYS: the session. ARGV: milliseconds it lives, generation, then names and values of the fields.
-- Returns 1, or 0 if nothing was written.
local generation = redis.call('HGET', KEYS[1], 'generation')
if generation and tonumber(generation) > tonumber(ARGV[2]) then
    return 0
end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
