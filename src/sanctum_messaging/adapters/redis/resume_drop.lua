-- Forgets a session, unless a newer generation is stored.
-- KEYS: the session. ARGV: generation.
local generation = redis.call('HGET', KEYS[1], 'generation')
if generation and tonumber(generation) <= tonumber(ARGV[1]) then
    redis.call('DEL', KEYS[1])
end
return 1
