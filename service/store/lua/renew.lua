#!lua flags=allow-oom
-- renew: prolongs one holder's lease, if it is still theirs.
-- KEYS 1 leases  2 holders
-- ARGV 1 id  2 holder  3 ttl, ms
-- Returns expiry in ms | -1 nobody's (expired or decided) | -2 somebody else's
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not until_ms or tonumber(until_ms) <= now then return -1 end
local held = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if string.match(held, '^[^\n]*') ~= ARGV[2] then return -2 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
return now + tonumber(ARGV[3])
