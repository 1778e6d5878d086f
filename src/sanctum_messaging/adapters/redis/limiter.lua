-- Decides a batch of checks, one after the other, by the clock of this server.
-- KEYS: the instances, then the buckets. ARGV: a MessagePack of
--   the instance that shows itself, or an empty text, and for how many milliseconds that counts,
--   the limits: {max, interval in ms}, for each bucket the number of its limit,
--   what the instance let pass by itself: {number of the bucket, milliseconds until it is full at the earliest},
--   the checks: {1 to take or 0 to look, numbers of buckets}.
-- Returns a MessagePack: how many instances there are (0: not asked), then for each check 1 if it passed or 0, and for
-- each of its buckets the time until it is full: whole milliseconds, and parts of one, of which there are `max`.
--
-- A bucket is the moment at which it will be full, "milliseconds:parts"; one that is full is not stored. Every number
-- stays below 2^53, so that the doubles of Lua are exact.
local instance, lifetime, limits, owners, told, checks = unpack(cmsgpack.unpack(ARGV[1]))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {0}

if instance ~= '' then
    redis.call('ZADD', KEYS[1], now, instance)
    -- What lies in the future was written before the clock stepped back.
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - lifetime)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], now + lifetime, '+inf')
    redis.call('PEXPIRE', KEYS[1], lifetime)
    answer[1] = redis.call('ZCARD', KEYS[1])
end

local stored = #owners > 0 and redis.call('MGET', unpack(KEYS, 2)) or {}
local whole, parts, changed = {}, {}, {}
for number, owner in ipairs(owners) do
    local max, interval = limits[owner][1], limits[owner][2]
    local text_whole, text_parts = string.match(stored[number] or '', '^(%d+):(%d+)$')
    whole[number] = math.max(now, tonumber(text_whole) or 0)
    parts[number] = whole[number] == tonumber(text_whole) and math.min(tonumber(text_parts), max - 1) or 0
    -- Nothing is worse than empty: the limit may have been changed, and the clock may have stepped back.
    if whole[number] >= now + interval then
        whole[number], parts[number] = now + interval, 0
    end
end
for _, each in ipairs(told) do
    local number, earliest = each[1], now + math.min(each[2], limits[owners[each[1]]][2])
    if whole[number] < earliest then
        whole[number], parts[number], changed[number] = earliest, 0, true
    end
end

-- Returns the moment at which the bucket is full if one more is taken; nothing if there is none left.
local function after_one(number)
    local max, interval = limits[owners[number]][1], limits[owners[number]][2]
    local rest = interval % max
    local then_whole, then_parts = whole[number] + (interval - rest) / max, parts[number] + rest
    if then_parts >= max then
        then_whole, then_parts = then_whole + 1, then_parts - max
    end
    if then_whole < now + interval or (then_whole == now + interval and then_parts == 0) then
        return then_whole, then_parts
    end
end

for _, check in ipairs(checks) do
    local passes, then_whole, then_parts = 1, {}, {}
    for place = 2, #check do
        then_whole[place], then_parts[place] = after_one(check[place])
        if not then_whole[place] then
            passes = 0
        end
    end
    answer[#answer + 1] = passes
    for place = 2, #check do
        local number = check[place]
        if passes == 1 and check[1] == 1 then
            whole[number], parts[number], changed[number] = then_whole[place], then_parts[place], true
        end
        answer[#answer + 1] = whole[number] - now
        answer[#answer + 1] = parts[number]
    end
end

for number in pairs(changed) do
    local left = whole[number] - now + (parts[number] > 0 and 1 or 0)
    redis.call('SET', KEYS[number + 1], string.format('%.0f:%.0f', whole[number], parts[number]), 'PX', left)
end
return cmsgpack.pack(answer)
